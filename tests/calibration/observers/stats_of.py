"""Statistics of given values, as calibration would collect them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pyq8.calibration.observers.collect import Collector
from pyq8.stats import TensorStats
from pyq8.types import Array


def stats_of(*images: npt.ArrayLike, channel_axis: int | None = None) -> TensorStats:
    """One update an image."""
    return collect([np.asarray(image, np.float32) for image in images], channel_axis)


def collect(images: Iterable[Array], channel_axis: int | None = None) -> TensorStats:
    collector = Collector("t", histogram=True, channel_axis=channel_axis)
    for image in images:
        collector.update(image)
    stats = collector.stats()
    assert stats is not None
    return stats
