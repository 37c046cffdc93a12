"""The INT8 peak: it is found, and its shapes are counted as they are run. Nothing here asserts a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pyq8.bench import peak
from pyq8.bench.stopwatch import examine
from pyq8.types import Array
from pyq8.verify.kernels import find_kernels


def models(threads: int) -> list[tuple[onnx.ModelProto, Array, int]]:
    rng = np.random.default_rng(0)
    found = [peak._convolution(rng, *shape, threads) for shape in peak.CONVOLUTIONS]
    return found + [peak._product(rng, m * threads, k, n) for m, k, n in peak.PRODUCTS]


def test_the_operations_are_counted_right(tmp_path: Path) -> None:
    for model, x, macs in models(2):
        onnx.save(model, tmp_path / "m.onnx")
        found = examine(str(tmp_path / "m.onnx"), batches=[len(x)], threads=1, folder=str(tmp_path))
        assert found["macs"] * len(x) == macs


def test_the_convolutions_are_on_the_fast_path() -> None:
    for model, x, _ in models(1):
        rows = find_kernels(ir.from_proto(model)).rows
        assert rows[0].int8 and rows[0].fast in (True, None)
        assert (rows[0].fast is None) == (x.ndim == 2)


def test_the_best_shape_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([1.0, 1.0, 0.5, 1.0, 1.0])
    monkeypatch.setattr(peak, "_fastest", lambda *_: next(seconds))
    assert peak.measure_peak(1, 0) == pytest.approx(2e-9 * 256 * 256 * 9 * 28 * 28 / 0.5)


def test_a_peak_is_measured() -> None:
    assert peak.measure_peak(1, 0.0) > 0
