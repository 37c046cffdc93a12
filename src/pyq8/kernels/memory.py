"""Arrays whose memory is used again: fresh memory costs the system as long to clear as a 1x1 convolution to fill."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

SMALLEST = 1 << 20
"""Bytes from which on memory is kept; below, malloc keeps its own."""
LIMIT = 2 << 30
"""Bytes that are kept at most while nobody uses them."""
_LINE = 64

_Block = npt.NDArray[np.uint8]
_free: dict[int, list[_Block]] = defaultdict(list)
_kept = 0


class _Lease:
    """Owns a block for as long as an array (or a view of it, or a tensor) is there."""

    def __init__(self, block: _Block, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._block = block
        start = block.ctypes.data
        self.__array_interface__ = {
            "data": (start + -start % _LINE, False),
            "shape": shape,
            "typestr": dtype.str,
            "version": 3,
        }

    def __del__(self) -> None:
        global _kept
        size = self._block.nbytes
        if _kept + size <= LIMIT:
            _kept += size
            _free[size].append(self._block)


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array of unspecified content, aligned to cache lines; once nobody refers to it its memory is used again.

    Args:
        shape: of the array.
        dtype: of its elements.
    """
    global _kept
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < SMALLEST:
        return np.empty(shape, kind)
    size += _LINE
    try:
        block = _free[size].pop()
        _kept -= size
    except IndexError:
        block = np.empty(size, np.uint8)
    return np.asarray(_Lease(block, shape, kind))
