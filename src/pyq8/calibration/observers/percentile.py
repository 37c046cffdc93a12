"""percentile: the range that holds all but a fixed share of the values at either end."""

from __future__ import annotations

import numpy as np

from pyq8.calibration.observers.observer import observer
from pyq8.stats import TensorStats
from pyq8.types import QType

TAIL = 1e-5
"""Share of the values beyond either end: the 99.999 percentile."""


@observer("percentile")
def choose(stats: TensorStats, qtype: QType) -> tuple[float, float]:
    """The bin edges between which all but TAIL of the values lie, on each side."""
    del qtype
    assert stats.histogram is not None
    counts, edges = stats.histogram.counts, stats.histogram.edges()
    below = np.cumsum(counts)
    allowed = TAIL * below[-1]
    first = int(np.searchsorted(below, allowed, side="right"))
    last = int(np.searchsorted(below, below[-1] - allowed, side="left"))
    return max(stats.min, float(edges[first])), min(stats.max, float(edges[last + 1]))
