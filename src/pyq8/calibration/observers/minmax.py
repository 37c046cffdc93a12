"""minmax: the whole range that was seen (IntelCaffe's DIRECT)."""

from __future__ import annotations

from pyq8.calibration.observers.observer import observer
from pyq8.stats import TensorStats
from pyq8.types import QType


@observer("minmax", needs_histogram=False)
def choose(stats: TensorStats, qtype: QType) -> tuple[float, float]:
    """[min, max]."""
    del qtype
    return stats.min, stats.max
