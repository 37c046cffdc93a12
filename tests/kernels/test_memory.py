from __future__ import annotations

import gc

import numpy as np
import pytest

from pyq8.kernels import memory


def test_memory_is_used_again_only_once_nobody_refers_to_it() -> None:
    shape = (3, 1000, 257)
    first = memory.empty(shape, np.float32)
    first[:] = 1
    address, view = first.ctypes.data, first[1:, ::2]
    del first
    gc.collect()
    second = memory.empty(shape, np.float32)
    assert second.ctypes.data != address
    second[:] = 2
    assert np.all(view == 1)
    del view
    gc.collect()
    third, fourth = memory.empty(shape, np.float32), memory.empty(shape, np.float32)
    assert third.ctypes.data == address
    assert not np.shares_memory(third, fourth)


def test_arrays_are_aligned_and_ordinary() -> None:
    for size in (10, memory.SMALLEST):
        array = memory.empty((size, 3), np.int16)
        array[:] = np.arange(3)
        assert array.flags.c_contiguous and array.flags.writeable and array.dtype == np.int16
        assert array.sum() == 3 * size
    assert array.ctypes.data % 64 == 0


def test_no_more_is_kept_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = memory._kept
    monkeypatch.setattr(memory, "LIMIT", kept + 5_000_000)
    arrays = [memory.empty((1_000_000 + i,), np.float32) for i in range(3)]
    del arrays
    gc.collect()
    assert memory._kept <= kept + 5_000_000
