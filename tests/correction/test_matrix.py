"""A weight as matrices, and the patches they multiply: together they are the operator."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.correction.matrix import WeightMatrix
from pyq8.types import Array

from ..small_models import Weights, parse, run


def check(text: str, weights: Weights, x: Array, axis: int) -> None:
    model = parse(text, weights)
    node = next(n for n in model.graph if n.name == "n")
    assert node.inputs[1] is not None and node.inputs[1].const_value is not None
    weight = node.inputs[1].const_value.numpy()
    matrix = WeightMatrix.of(node, weight, axis)
    assert matrix is not None

    extra = {"z": np.zeros((1, 1, 1, 1), np.float32)} if len(model.graph.inputs) > 1 else {}
    patches = matrix.patches(x, 10**6, 0)
    found = np.einsum("gpk,gok->gop", patches, matrix.rows).reshape(weight.shape[axis], -1)

    expected = run(model, [{"x": x, **extra}])[0]
    np.testing.assert_allclose(found, np.moveaxis(expected[0], 1, 0).reshape(found.shape), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(matrix.restore(matrix.rows), weight)
    np.testing.assert_allclose(matrix.mean_patch(x), patches.mean(axis=1), rtol=1e-5, atol=1e-6)
    codes = np.random.default_rng(1).integers(0, 256, x.shape, dtype=np.uint8)  # 9 stands for 0, also in the padding
    centred = matrix.patches(codes, 10**6, 0, fill=9).astype(np.float64) - 9
    np.testing.assert_allclose(matrix.mean_patch(codes, 9), centred.mean(axis=1), rtol=1e-12, atol=1e-12)
    assert matrix.patches(x, 3, 5).shape[1] <= 3 * len(x)


@pytest.mark.parametrize(
    ("attributes", "weight"),
    [
        ("pads = [1, 1, 1, 1]", (4, 8, 3, 3)),
        ("strides = [2, 1], pads = [0, 1, 2, 0]", (4, 8, 3, 2)),
        ("dilations = [2, 1]", (4, 8, 3, 3)),
        ("group = 8, pads = [1, 1, 1, 1]", (8, 1, 3, 3)),
        ("group = 2", (6, 4, 1, 1)),
    ],
)
def test_convolutions(attributes: str, weight: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal((2, 8, 9, 7)).astype(np.float32)
    check(
        f"g (float[2, 8, 9, 7] x) => (float[N, C, H, W] y) {{ [n] y = Conv<{attributes}>(x, w) }}", {"w": weight}, x, 0
    )


@pytest.mark.parametrize(("attributes", "weight", "axis"), [("transB = 1", (5, 8), 0), ("transB = 0", (8, 5), 1)])
def test_gemm(attributes: str, weight: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    text = f"""g (float[3, 8] x, float[1, 1, 1, 1] z) => (float[N, C] y, float[1, 1, 1, 1] u) {{
        [n] y = Gemm<{attributes}>(x, w) u = Conv(z, v) }}"""
    check(text, {"w": weight, "v": (1, 1, 1, 1)}, x, axis)


def test_a_1d_convolution_has_no_patches() -> None:
    model = parse("g (float[1, 4, 9] x) => (float[N, C, H] y) { y = Conv(x, w) }", {"w": (4, 4, 3)})
    (node,) = model.graph

    assert WeightMatrix.of(node, np.zeros((4, 4, 3), np.float32), 0) is None
