"""kl: the range whose quantized distribution loses least information (TensorRT's and IntelCaffe's idea).

    P    the histogram, smoothed
    Q    what the quantizer leaves of it: each level's mass M_k, clipped values included, spread over the
         level's bins with the weights s_i = 1, and e**-d at d steps beyond the ends of the range
    Q_i = M_k * s_i / sum_{j in k} s_j
    KL(P || Q) = sum_i P_i log(P_i / Q_i) = sum_i P_i log P_i + sum_i P_i d_i - sum_k M_k log(M_k / S_k)

The range with the smallest divergence wins. The usual code clips too much: there the price of a clipped value
does not depend on how far out it lay, and the noise of half-empty bins speaks for few, narrow levels.
docs/explanation/observers.md tells more.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pyq8 import affine
from pyq8.calibration.observers.observer import observer
from pyq8.calibration.observers.search import shrink
from pyq8.stats import BINS, Histogram, TensorStats
from pyq8.types import QParams, QType

SMALLEST = 0.4
"""Share of the range down to which it is searched. A divergence sees how many values are clipped and hardly
what they were worth: behind a sharp peak at 0 it would give away the large ones."""

SMOOTHING = 32
"""Half the width of the smoothing triangle, in bins: about two levels of the widest range."""


@observer("kl")
def choose(stats: TensorStats, qtype: QType) -> tuple[float, float]:
    """The best range found."""
    assert stats.histogram is not None
    counts = _without_zeros(stats.histogram)
    if not counts.any():
        return stats.min, stats.max
    width = math.ldexp(1.0, stats.histogram.exponent)
    used = slice(*_ends(stats, width))
    p = _smooth(counts[used])
    centres = np.arange(-BINS, BINS)[used] + 0.5
    reference = Distribution(p / p.sum(), np.clip(centres, min(stats.min, 0) / width, max(stats.max, 0) / width))
    return shrink(
        stats, lambda low, high: reference.divergence(affine.choose_qparams(low, high, qtype), width), SMALLEST
    )


class Distribution:
    """P, with the running sums that make a divergence cost a few operations a level.

    Args:
        p: float64 (n,), sum 1.
        centres: float64 (n,), in bin widths, rising.
    """

    def __init__(self, p: npt.NDArray[np.float64], centres: npt.NDArray[np.float64]) -> None:
        self._centres = centres
        self._mass = np.concatenate([[0.0], np.cumsum(p)])
        self._moment = np.concatenate([[0.0], np.cumsum(p * centres)])
        self._entropy = float(np.sum(p[p > 0] * np.log(p[p > 0])))

    def divergence(self, qparams: QParams, width: float) -> float:
        """KL(P || Q) in nats.

        Args:
            qparams: of the candidate range.
            width: real width of a bin.
        """
        qtype, scale = qparams.qtype, float(qparams.scale) / width
        borders = (np.arange(qtype.qmin, qtype.qmax + 2) - 0.5 - int(qparams.zero_point)) * scale
        first = np.searchsorted(self._centres, borders)
        mass, weight = np.diff(self._mass[first]), np.diff(first).astype(np.float64)
        below, above = int(first[0]), int(first[-1])
        mass[0] += self._mass[below]
        mass[-1] += self._mass[-1] - self._mass[above]
        weight[0] += _tail(borders[0] - self._centres[:below][::-1], scale)
        weight[-1] += _tail(self._centres[above:] - borders[-1], scale)
        distance = borders[0] * self._mass[below] - self._moment[below]
        distance += self._moment[-1] - self._moment[above]
        distance -= borders[-1] * (self._mass[-1] - self._mass[above])
        held = (mass > 0) & (weight > 0)
        spread = np.sum(mass[held] * np.log(mass[held] / weight[held]))
        return self._entropy + float(distance / scale) - float(spread)


def _tail(distances: npt.NDArray[np.float64], scale: float) -> float:
    """sum of e**-d over the bins beyond an end; distances in bin widths, rising by 1."""
    if not distances.size:
        return 0.0
    return math.exp(-float(distances[0]) / scale) * math.expm1(-distances.size / scale) / math.expm1(-1 / scale)


def _without_zeros(histogram: Histogram) -> npt.NDArray[np.float64]:
    """Counts of all but the exact zeros: every range keeps those, so they add nothing to any divergence.

    Bin 0 also holds small values; the fuller bin beside it tells how many.
    """
    counts = histogram.counts.astype(np.float64)
    counts[BINS] = min(counts[BINS], max(counts[BINS - 1], counts[BINS + 1]))
    return counts


def _ends(stats: TensorStats, width: float) -> tuple[int, int]:
    """First bin and the one behind the last of [min, max] with 0 in it."""
    return BINS + math.floor(min(stats.min, 0) / width), BINS + math.floor(max(stats.max, 0) / width) + 1


def _smooth(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mean over a triangle of neighbours, of those there are."""
    triangle = SMOOTHING - np.abs(np.arange(1 - SMOOTHING, SMOOTHING, dtype=np.float64))
    whole = np.convolve(counts, triangle)[SMOOTHING - 1 : 1 - SMOOTHING]
    return np.asarray(whole / np.convolve(np.ones_like(counts), triangle)[SMOOTHING - 1 : 1 - SMOOTHING])
