"""mse: the range that minimizes the expected squared error of quantization.

    E(low, high) = sum_i n_i * g_i * (c_i - Q(c_i))**2       g_i = CLIPPED where c_i lies outside, else 1

over the histogram's bins: count n_i, centre c_i, Q the quantizer of the range. A wide range rounds coarsely,
a narrow one clips; the minimum is the trade. The bin at 0 stands for 0 itself: behind a ReLU most of it is
exactly that.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from pyq8 import affine
from pyq8.calibration.observers.observer import observer
from pyq8.calibration.observers.search import shrink
from pyq8.stats import BINS, TensorStats
from pyq8.types import QType

SMALLEST = 0.2
"""Share of the range down to which it is searched: below it, levels are hardly wider than bins."""

CLIPPED = 2.0
"""What a squared clipping error weighs. Rounding errors of the values that a convolution sums are as often up as
down; clipping errors all point the same way and add up."""


@observer("mse")
def choose(stats: TensorStats, qtype: QType) -> tuple[float, float]:
    """The best range found."""
    return shrink(stats, expected_error(stats, qtype), SMALLEST)


def expected_error(stats: TensorStats, qtype: QType) -> Callable[[float, float], float]:
    """E of the tensor: (low, high) -> the sum above, in squared bin widths.

    Args:
        stats: of the tensor, with a histogram.
        qtype: the integer type.
    """
    histogram = stats.histogram
    assert histogram is not None
    width = math.ldexp(1.0, histogram.exponent)
    used = np.flatnonzero(histogram.counts)
    counts = histogram.counts[used].astype(np.float64)
    centres = used - BINS + 0.5  # in bin widths: no square overflows or vanishes
    centres[used == BINS] = 0.0
    centres = np.clip(centres, stats.min / width, stats.max / width).astype(np.float32)

    def loss(low: float, high: float) -> float:
        qparams = affine.choose_qparams(low, high, qtype)
        scale, zero_point = float(qparams.scale) / width, int(qparams.zero_point)
        level = np.rint(centres / scale) + zero_point
        kept = np.clip(level, qtype.qmin, qtype.qmax)
        error = (centres - (kept - zero_point) * scale) ** 2
        error[level != kept] *= CLIPPED
        return float(np.dot(counts, error))

    return loss
