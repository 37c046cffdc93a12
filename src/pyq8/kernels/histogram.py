"""The ends of a tensor's values, and their counts in bins: compiled, or numpy elsewhere; the same numbers."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from pyq8.kernels import library
from pyq8.kernels.arguments import address, compiled, demand, index
from pyq8.kernels.reference import Float32
from pyq8.stats import BINS

BLOCK = 1 << 16
"""Values binned at a time in numpy: what fits the second-level cache."""


def ends(x: Float32) -> tuple[float, float]:
    """(smallest, largest) value; NaN for at least one of them where x holds NaN.

    Args:
        x: float32, any shape, not empty.

    Raises:
        DataError: an array of another type or layout.
    """
    demand("x", x, np.float32, x.shape)
    isa = library.chosen()
    if isa == library.REFERENCE:
        return float(x.min()), float(x.max())
    found = (ctypes.c_float * 2)()
    compiled().pyq8_ends(index(isa), address(x), x.size, found)
    return found[0], found[1]


def count_bins(x: Float32, scale: float) -> npt.NDArray[np.int64]:
    """How many values lie in every bin: counts[BINS + i] is of those with floor(x * scale) == i.

    Args:
        x: float32, any shape; |x * scale| < BINS.
        scale: a power of two that float32 has.

    Returns:
        int64 (2 * BINS,).

    Raises:
        DataError: an array of another type or layout.
    """
    demand("x", x, np.float32, x.shape)
    counts = np.zeros(2 * BINS, np.int64)
    isa = library.chosen()
    if isa != library.REFERENCE:
        compiled().pyq8_bins(index(isa), address(x), x.size, scale, address(counts))
        return counts
    flat = x.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        block = flat[start : start + BLOCK]
        bins = np.floor(block * np.float32(scale))
        if scale < 1:  # the product of a tiny negative value may have vanished
            np.minimum(bins, -1, out=bins, where=block < 0)
        # BINS is added to whole numbers only: 4095.9998 + 4096 is 8192 in float32
        counts += np.bincount(bins.astype(np.intp) + BINS, minlength=2 * BINS)
    return counts
