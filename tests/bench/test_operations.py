"""Multiply-adds counted by running the file's graph: against counts by hand, in every form of a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.bench.stopwatch import examine
from pyq8.model.file import save
from pyq8.rewrite import rewrite
from tests.small_models import FORMATS, parse, quantized

CONV = 16 * 8 * 9 * 10 * 10  # 3x3, 8 -> 16 channels, on 10 x 10 pixels


def macs(folder: Path, model: object, batch: int = 1) -> float:
    path = folder / "m.onnx"
    save(model, path)  # type: ignore[arg-type]
    found = examine(str(path), batches=[batch], threads=1, folder=str(folder))["macs"]
    return float(found)


@pytest.mark.parametrize(
    ("body", "weight", "count"),
    [
        ("y = Conv<pads = [1, 1, 1, 1]>(x, w)", (16, 8, 3, 3), CONV),
        ("y = Conv<strides = [2, 2]>(x, w)", (16, 8, 2, 2), 16 * 8 * 4 * 25),
        ("y = Conv<group = 8>(x, w)", (8, 1, 3, 3), 8 * 9 * 64),
        ("y = ConvTranspose<strides = [2, 2]>(x, w)", (8, 16, 2, 2), 8 * 16 * 4 * 100),
        ("f = Flatten(x) y = Gemm<transB = 1>(f, w)", (5, 800), 5 * 800),
        ("y = MatMul(x, w)", (10, 7), 8 * 10 * 10 * 7),
        ("y = Relu(x)", (1,), 0),
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_operators(tmp_path: Path, body: str, weight: tuple[int, ...], count: int, batch: int) -> None:
    model = parse(f"g (float[N, 8, 10, 10] x) => (float y) {{ c = Conv(x, k) {body} }}",
                  {"w": weight, "k": np.ones((1, 8, 1, 1), np.float32)})  # fmt: skip
    assert macs(tmp_path, model, batch) == count + 800


def test_an_open_image_size_and_a_convolution_in_a_branch_are_counted(tmp_path: Path) -> None:
    text = """g (float[N, 8, H, W] x) => (float y) {
        t = Constant<value = bool {1}>()
        y = If (t) <then_branch = a () => (float p) { p = Conv(x, w) }, else_branch = b () => (float q) { q = Relu(x) }>
    }"""
    model = parse(text, {"w": (4, 8, 1, 1)})
    save(model, tmp_path / "m.onnx")
    found = examine(str(tmp_path / "m.onnx"), batches=[1], threads=1, folder=str(tmp_path), size=(10, 6))
    assert found["macs"] == 4 * 8 * 60


@pytest.mark.parametrize("name", [*FORMATS, *(["pyq8"] if kernels.available() else [])])
def test_a_quantized_model_computes_as_much_as_its_original(tmp_path: Path, name: str) -> None:
    text = (
        "g (float[N, 8, 10, 10] x) => (float y) { a = Conv<pads = [1, 1, 1, 1]>(x, w) f = Flatten(a) y = Gemm(f, v) }"
    )
    case = quantized(parse(text, {"w": (16, 8, 3, 3), "v": (1600, 5)}))
    assert macs(tmp_path, rewrite(case.model, case.plan, name)) == macs(tmp_path, case.model) == CONV + 5 * 1600
