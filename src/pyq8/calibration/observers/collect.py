"""Collect a tensor's statistics, one image's values at a time."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pyq8.errors import DataError
from pyq8.kernels.histogram import count_bins, ends
from pyq8.stats import BINS, LARGEST_MEAN, ChannelMean, Histogram, TensorStats
from pyq8.types import Array

_LOG2_BINS = BINS.bit_length() - 1
_SMALLEST_EXPONENT = -120


class Collector:
    """Statistics of one tensor; memory does not grow with what it sees.

    Args:
        name: of the tensor, for messages.
        histogram: whether to count values in bins.
        channel_axis: the axis whose means are kept, None for no means.
    """

    def __init__(self, name: str, *, histogram: bool, channel_axis: int | None = None) -> None:
        self.name = name
        self._histogram = histogram
        self._channel_axis = channel_axis
        self._stats: TensorStats | None = None

    def update(self, values: Array) -> None:
        """Add the values of one image, float32 of any shape.

        Raises:
            DataError: NaN or infinity among them, or a channel whose mean is beyond 2**31.
        """
        if values.size == 0:
            return
        values = np.ascontiguousarray(values)
        low, high = (end + 0.0 for end in ends(values))  # -0.0 becomes 0.0
        if not (math.isfinite(low) and math.isfinite(high)):
            raise DataError(
                f"tensor {self.name!r} holds NaN or infinity on a calibration image; "
                "check the preprocessing (--preset) and that the FP32 model works on it"
            )
        histogram = _count(values, low, high) if self._histogram else None
        means = None if self._channel_axis is None else self._means(values, self._channel_axis)
        new = TensorStats(low, high, values.size, histogram, means)
        self._stats = new if self._stats is None else self._stats + new

    def _means(self, values: Array, axis: int) -> ChannelMean:
        moved = np.moveaxis(values, axis, 0)
        flat = moved.reshape(moved.shape[0], -1)
        with np.errstate(over="ignore"):  # refused below
            sums: npt.NDArray[np.float64] = flat.sum(axis=1, dtype=np.float32).astype(np.float64)
        means = sums / flat.shape[1]
        largest = float(np.abs(means).max())
        if not largest < LARGEST_MEAN:
            raise DataError(
                f"tensor {self.name!r} has a channel whose mean is {largest:.3g}, more than 2**31; "
                "check the preprocessing (--preset) and that the FP32 model works on it"
            )
        return ChannelMean.of(means)

    def stats(self) -> TensorStats | None:
        """What was seen; None for nothing."""
        return self._stats


def _count(values: Array, low: float, high: float) -> Histogram:
    """Bins as narrow as the largest magnitude allows: |x| < BINS * 2**exponent.

    Zeros alone leave the width to the images that have more.
    """
    peak = max(-low, high)
    exponent = max(math.frexp(peak)[1] - _LOG2_BINS, _SMALLEST_EXPONENT) if peak else _SMALLEST_EXPONENT
    return Histogram(exponent, count_bins(values, math.ldexp(1.0, -exponent)))
