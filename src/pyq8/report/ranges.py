"""Where the values of every tensor lie, which range was chosen for them, and what other observers would have chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyq8.calibration.observers import OBSERVERS
from pyq8.stats import Histogram, TensorStats
from pyq8.types import UINT8, Plan

BARS = 96
"""Of a histogram on the page."""


@dataclass(frozen=True)
class Choice:
    """What an observer makes of a tensor: its name, and the ends of the range, 0 included."""

    observer: str
    low: float
    high: float


@dataclass(frozen=True)
class TensorRange:
    """One tensor.

    Args:
        tensor: its name.
        smallest: value seen.
        largest: value seen.
        counts: how many values lie in each of BARS equal parts of [low, high].
        low: left end of the picture: the smallest value, 0 or end of a range.
        high: right end.
        chosen: the range that the model has.
        clipped: share of the values outside it, 0..1, to the resolution of the statistics.
        others: what the observers would choose.
        sqnr: of this tensor in the quantized model, dB; None where unknown.
    """

    tensor: str
    smallest: float
    largest: float
    counts: tuple[int, ...]
    low: float
    high: float
    chosen: tuple[float, float]
    clipped: float
    others: tuple[Choice, ...]
    sqnr: float | None


def compare_ranges(stats: Mapping[str, TensorStats], plan: Plan, sqnr: Mapping[str, float]) -> tuple[TensorRange, ...]:
    """Every tensor with a histogram and a range, the lowest SQNR first, then those without.

    Args:
        stats: of the FP32 tensors.
        plan: has the ranges.
        sqnr: tensor -> dB.
    """
    found = [
        _compare(name, one, one.histogram, plan.qparams[name].range, sqnr.get(name))
        for name, one in stats.items()
        if one.histogram is not None and name in plan.qparams
    ]
    return tuple(sorted(found, key=lambda r: (r.sqnr is None, r.sqnr or 0.0)))


def _compare(
    name: str, stats: TensorStats, histogram: Histogram, chosen: tuple[float, float], sqnr: float | None
) -> TensorRange:
    others = []
    for key in OBSERVERS:
        a, b = OBSERVERS.get(key).choose(stats, UINT8)
        others.append(Choice(key, min(a, 0.0), max(b, 0.0)))
    low = min(0.0, stats.min, chosen[0])
    high = max(0.0, stats.max, chosen[1])
    used = np.flatnonzero(histogram.counts)
    edges = histogram.edges()
    centres = np.clip((edges[used] + edges[used + 1]) / 2, stats.min, stats.max)
    counts = histogram.counts[used]
    place = ((centres - low) / ((high - low) or 1.0) * BARS).astype(int).clip(0, BARS - 1)
    bars = np.bincount(place, weights=counts, minlength=BARS).astype(np.int64)
    outside = counts[(centres < chosen[0]) | (centres > chosen[1])].sum()
    share = float(outside / max(int(counts.sum()), 1))
    return TensorRange(name, stats.min, stats.max, tuple(map(int, bars)), low, high, chosen, share, tuple(others), sqnr)
