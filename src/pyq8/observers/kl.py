"""kl: the range whose quantized distribution loses least information (TensorRT's and IntelCaffe's idea).

For a candidate range of whole bins,

    P = the counts inside, with what lies outside added to the bins at its ends
    Q = the counts inside, joined into 256 levels, each level spread evenly over those of its bins that are not empty
    KL(P || Q) = sum_i P_i * log(P_i / Q_i)          both scaled to sum 1

and the candidate with the smallest divergence wins. Three things are done differently from the usual code: every bin count
from 256 levels up is a candidate (ONNX Runtime's default has 128 bins and so one candidate); the bin at 0, which ReLU fills
with exact zeros that cost nothing, counts like its neighbour; and a signed tensor moves both ends.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyq8.observers.observer import observer
from pyq8.observers.search import shrink
from pyq8.stats import BINS, TensorStats
from pyq8.types import QType

SMOOTHING = 1e-9


@observer("kl")
def choose(stats: TensorStats, qtype: QType) -> tuple[float, float]:
    """The best range found."""
    histogram = stats.histogram
    assert histogram is not None
    counts = histogram.counts.astype(np.float64)
    neighbours = counts[[BINS - 1, BINS + 1]]
    counts[BINS] = min(counts[BINS], neighbours.max()) if neighbours.any() else counts[BINS]
    width = 2.0**histogram.exponent
    levels = qtype.qmax - qtype.qmin + 1

    def loss(low: float, high: float) -> float:
        first = BINS + int(np.floor(low / width))
        last = BINS + int(np.ceil(high / width))
        return divergence(counts, first, last, levels)

    full = max(stats.max, 0.0) - min(stats.min, 0.0)
    return shrink(stats, loss, min(1.0, levels * width / full) if full > 0 else 1.0)


def divergence(counts: npt.NDArray[np.float64], first: int, last: int, levels: int) -> float:
    """KL(P || Q) of the bins first..last (last excluded) in `levels` levels; inf where nothing lies inside."""
    inside = counts[first:last]
    if inside.sum() == 0 or last - first < levels:
        return float("inf")
    reference = inside.copy()
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last:].sum()
    starts = (np.arange(levels) * inside.size) // levels
    sums = np.add.reduceat(inside, starts)
    filled = np.add.reduceat((inside > 0).astype(np.float64), starts)
    sizes = np.diff(np.append(starts, inside.size))
    spread = np.repeat(sums / np.maximum(filled, 1.0), sizes) * (inside > 0)
    p = reference / reference.sum()
    q = spread / spread.sum()
    used = p > 0
    return float(np.sum(p[used] * np.log(p[used] / np.maximum(q[used], SMOOTHING))))
