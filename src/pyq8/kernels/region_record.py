"""What the layers of regions took in this process, csrc/int8/record.h."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from pyq8.kernels import library


@dataclass(frozen=True)
class LayerRun:
    """A layer in one run of a region.

    Args:
        nanoseconds: of layers that run together the first has the time of all, the others have 0.
        macs: multiply-adds.
    """

    nanoseconds: int
    macs: int


def record(on: bool) -> None:
    """Begin to record, or end; nothing without the compiled kernels."""
    loaded, _ = library.load()
    if loaded is not None:
        loaded.pyq8_region_record(on)


def recorded() -> list[list[LayerRun]]:
    """The runs since recording began, one after the other; each has all layers of its region."""
    loaded, _ = library.load()
    if loaded is None:
        return []
    count = loaded.pyq8_region_recorded
    count.argtypes, count.restype = [ctypes.c_void_p, ctypes.c_int64], ctypes.c_int64
    numbers = np.empty(count(None, 0), np.int64)
    count(numbers.ctypes.data, numbers.size)
    runs, at = [], 0
    while at < numbers.size:
        end = at + 1 + 2 * int(numbers[at])
        runs.append([LayerRun(int(ns), int(macs)) for ns, macs in numbers[at + 1 : end].reshape(-1, 2)])
        at = end
    return runs
