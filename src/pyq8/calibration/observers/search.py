"""Search of a range end by end, shared by the observers that minimize a loss."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyq8.stats import TensorStats

STEPS = 64


def shrink(stats: TensorStats, loss: Callable[[float, float], float], smallest: float) -> tuple[float, float]:
    """The range inside [min, max] with the smallest loss: coordinate descent over the two ends.

    Args:
        stats: of the tensor.
        loss: (low, high) -> what to minimize.
        smallest: the share of the range down to which an end may be moved.

    Each end tries STEPS positions, then again around the best; the other end stays where it is. An end that
    does not lie beyond 0 counts as 0, because every quantizer holds 0; what is returned lies inside [min, max].
    """
    full_low, full_high = min(stats.min, 0.0), max(stats.max, 0.0)
    low, high = full_low, full_high
    for spread in (1.0, (1 - smallest) / STEPS):
        if full_high > 0:
            ends = _candidates(high, full_high, smallest, spread)
            high = ends[int(np.argmin([loss(low, end) for end in ends]))]
        if full_low < 0:
            ends = _candidates(low, full_low, smallest, spread)
            low = ends[int(np.argmin([loss(end, high) for end in ends]))]
    return _inside(low, stats), _inside(high, stats)


def _inside(end: float, stats: TensorStats) -> float:
    return min(max(end, stats.min), stats.max)


def _candidates(current: float, full: float, smallest: float, spread: float) -> list[float]:
    """Ends to try: the current one first, so that the loss never rises and ties change nothing."""
    if spread == 1.0:
        shares = np.linspace(1.0, smallest, STEPS)
    else:
        at = current / full
        shares = np.linspace(min(1.0, at + spread), max(smallest, at - spread), STEPS // 4)
    return [current, *(full * float(share) for share in shares)]
