"""mse: the range that minimizes the expected squared error of quantization.

    E(low, high) = sum_i n_i * (c_i - Q(c_i))^2

over the histogram's bins: count n_i, centre c_i, Q the quantizer of the range. A wide range rounds coarsely, a narrow one
clips; the minimum is the trade. The bin at 0 stands for 0 itself: behind a ReLU most of it is exactly that.
"""

from __future__ import annotations

import numpy as np

from pyq8 import affine
from pyq8.observers.observer import observer
from pyq8.observers.search import shrink
from pyq8.stats import BINS, TensorStats
from pyq8.types import QType

SMALLEST = 0.2


@observer("mse")
def choose(stats: TensorStats, qtype: QType) -> tuple[float, float]:
    """The best range found."""
    histogram = stats.histogram
    assert histogram is not None
    used = np.flatnonzero(histogram.counts)
    counts = histogram.counts[used].astype(np.float64)
    centres = np.ldexp(used - BINS + 0.5, histogram.exponent)
    centres[used == BINS] = 0.0
    centres = np.clip(centres, stats.min, stats.max).astype(np.float32)

    def loss(low: float, high: float) -> float:
        qparams = affine.choose_qparams(low, high, qtype)
        scale, zero_point = float(qparams.scale), int(qparams.zero_point)
        q = np.clip(np.rint(centres / scale) + zero_point, qtype.qmin, qtype.qmax)
        error = centres - (q - zero_point) * scale
        return float(np.dot(counts, error * error))

    return shrink(stats, loss, SMALLEST)
