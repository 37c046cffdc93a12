"""Collect a tensor's statistics, one image's values at a time."""

from __future__ import annotations

import math
from threading import Lock

import numpy as np
import numpy.typing as npt

from pyq8.errors import DataError
from pyq8.stats import BINS, LARGEST_MEAN, ChannelMean, Histogram, TensorStats
from pyq8.types import Array

BLOCK = 1 << 16
"""Values binned at a time: what fits the second-level cache."""

_LOG2_BINS = BINS.bit_length() - 1
_SMALLEST_EXPONENT = -120


class Collector:
    """Statistics of one tensor; memory does not grow with what it sees. Several threads may update it.

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
        self._lock = Lock()

    def update(self, values: Array) -> None:
        """Add the values of one image, float32 of any shape.

        Raises:
            DataError: NaN or infinity among them, or a channel whose mean is beyond 2**31.
        """
        if values.size == 0:
            return
        low, high = float(values.min()) + 0.0, float(values.max()) + 0.0  # -0.0 becomes 0.0
        if not (math.isfinite(low) and math.isfinite(high)):
            raise DataError(
                f"tensor {self.name!r} holds NaN or infinity on a calibration image; "
                "check the preprocessing (--preset) and that the FP32 model works on it"
            )
        histogram = _count(values.reshape(-1), low, high) if self._histogram else None
        means = None if self._channel_axis is None else self._means(values, self._channel_axis)
        new = TensorStats(low, high, values.size, histogram, means)
        with self._lock:
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
    counts = np.zeros(2 * BINS, np.int64)
    signed = low < 0
    base = 0 if signed else BINS
    scale = np.float32(math.ldexp(1.0, -exponent))
    scaled = np.empty(BLOCK, np.float32)
    index = np.empty(BLOCK, np.intp)
    for start in range(0, values.size, BLOCK):
        block = values[start : start + BLOCK]
        size = block.size
        np.multiply(block, scale, out=scaled[:size])
        if signed:
            np.floor(scaled[:size], out=scaled[:size])
            if exponent > 0:  # the product of a tiny negative value may have vanished
                np.minimum(scaled[:size], -1, out=scaled[:size], where=block < 0)
        # BINS is added to whole numbers only: 4095.9998 + 4096 is 8192 in float32
        np.add(scaled[:size], BINS - base, out=index[:size], casting="unsafe")
        counts[base:] += np.bincount(index[:size], minlength=2 * BINS - base)
    return Histogram(exponent, counts)
