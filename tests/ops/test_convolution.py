"""Conv, Gemm and MatMul: the INT8 kernels run, in both formats, with the accuracy that 8 bits have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pyq8.metrics.sqnr import sqnr

from ..small_models import FORMATS, Weights, between, check_case, check_float, executed, parse, quantized

MATRIX = "g (float[1, 8, 4, 4] x) => (float[N, M] y) { [conv] a = Conv(x, w1, b1) [flat] f = Flatten(a) %s }"
CONV: Weights = {"w1": (16, 8, 1, 1), "b1": (16,)}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("group", [1, 4, 16])
def test_conv(group: int, bias: bool) -> None:
    weights: Weights = {"w": (16, 16 // group, 3, 3), **({"c": (16,)} if bias else {})}
    inputs = "a, w, c" if bias else "a, w"

    case = quantized(between(f"[n] d = Conv<group = {group}, pads = [1, 1, 1, 1]>({inputs}) [r] b = Relu(d)", weights))

    check_case(case, {"conv1": "QLinearConv", "n": "QLinearConv", "conv2": "QLinearConv"})
    assert dict(case.plan.absorbed) == {"r": "n"}


@pytest.mark.parametrize(
    "attributes",
    ["strides = [2, 2]", "dilations = [2, 2]", 'auto_pad = "SAME_UPPER", strides = [2, 2]', "pads = [0, 1, 2, 3]"],
)
def test_conv_geometry(attributes: str) -> None:
    case = quantized(between(f"[n] b = Conv<{attributes}>(a, w)", {"w": (16, 16, 3, 3)}))

    check_case(case, {"n": "QLinearConv"})


@pytest.mark.parametrize("dims", [1, 3])
def test_conv_of_one_and_three_dimensions(dims: int) -> None:
    ones, sizes = ", ".join("11" * dims), ", ".join(["8"] * dims)
    shape = (3,) * dims
    text = f"""g (float[1, 8, {sizes}] x) => (float[{", ".join("NCABD"[: dims + 2])}] y) {{
        [first] a = Conv<pads = [{ones}]>(x, w1, b)  [relu] r = Relu(a)  [second] y = Conv<pads = [{ones}]>(r, w2)
    }}"""

    case = quantized(parse(text, {"w1": (16, 8, *shape), "b": (16,), "w2": (20, 16, *shape)}))

    check_case(case, {"first": "QLinearConv", "second": "QLinearConv"})


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_whose_readers_are_float_writes_float(transposed: int) -> None:
    shape = (20, 256) if transposed else (256, 20)
    text = MATRIX % f"[gemm] y = Gemm<transB = {transposed}>(f, w, c)"

    case = quantized(parse(text, {**CONV, "w": shape, "c": (20,)}))

    check_case(case, {"conv": "QLinearConv", "gemm": "QGemm"}, q=1, dq=0)
    assert "y" not in case.plan.qparams


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_that_an_int8_node_reads_stays_in_int8(transposed: int) -> None:
    shape = (20, 256) if transposed else (256, 20)
    text = MATRIX % f"[gemm] g = Gemm<transB = {transposed}>(f, w, c) [relu] r = Relu(g) [last] y = Gemm(r, v)"

    case = quantized(parse(text, {**CONV, "w": shape, "c": (20,), "v": (20, 10)}))

    check_case(case, {"gemm": "QGemm", "last": "QGemm"}, q=1, dq=0)
    assert "r" in case.plan.qparams
    assert case.plan.qparams["w"].axis == 1 - transposed


def test_gemm_channels_of_very_different_size_keep_their_accuracy() -> None:
    w = np.random.default_rng(0).standard_normal((256, 20)).astype(np.float32)
    w *= np.geomspace(1e-3, 1e3, 20, dtype=np.float32)
    model = parse(MATRIX % "[gemm] y = Gemm(f, w)", {**CONV, "w": w})

    case = quantized(model)

    for name in FORMATS:
        smallest = sqnr(case.reference[0][..., 0], case.outputs[name][0][..., 0])
        assert smallest > 30  # a single scale for the matrix would round this column to nothing


def test_gemm_bias_of_another_shape_stays_float() -> None:
    text = MATRIX % "[gemm] g = Gemm(f, w, c) [last] y = Gemm(g, v)"
    model = parse(text, {**CONV, "w": (256, 1), "c": np.ones((1, 1), np.float32), "v": (1, 4)})
    assert "gemm" in quantized(model).plan.int8_nodes

    column = parse(text, {**CONV, "w": (256, 4), "c": np.ones((1,), np.float32), "v": (4, 4)})

    assert quantized(column).plan.float_nodes == {"gemm": "its bias is not one value a column"}


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [("alpha = 0.5", "its alpha is 0.5, not 1"), ("beta = 2.0", "its beta is 2, not 1")],
)
def test_gemm_that_scales_stays_float(attributes: str, reason: str) -> None:
    text = MATRIX % f"[gemm] g = Gemm<{attributes}>(f, w, c) [last] y = Gemm(g, v)"

    case = quantized(parse(text, {**CONV, "w": (256, 16), "c": (16,), "v": (16, 4)}))

    assert case.plan.float_nodes == {"gemm": reason}
    for name in FORMATS:
        assert executed(case.quantized[name])["QGemm"] == 1
        assert sqnr(case.reference[0], case.outputs[name][0]) > 30


def test_matmul() -> None:
    case = quantized(between("[n] b = MatMul(a, w)", {"w": (12, 12)}))

    check_case(case, {"n": "QLinearMatMul"})
    assert case.plan.qparams["w"].axis == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[t] t = Transpose<perm = [0, 1, 3, 2]>(a) [n] b = MatMul(a, t)", "both its inputs are activations"),
        ("[n] b = MatMul(w, a)", "its constant stands on the left"),
    ],
)
def test_matmul_without_a_weight_on_the_right_stays_float(body: str, reason: str) -> None:
    weights: Weights = {"w": (12, 12)} if "w" in body else {}
    case = quantized(between(body, weights))

    assert reason in case.plan.float_nodes["n"]
    for name in FORMATS:
        assert not case.row(name, "n").int8
        assert sqnr(case.reference[0], case.outputs[name][0]) > 30


def test_conv_transpose_keeps_its_float_weights() -> None:
    case = quantized(between("[n] b = ConvTranspose(a, w)", {"w": (16, 16, 2, 2)}))

    check_float(case, "n", "ONNX Runtime has no INT8 ConvTranspose")


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"w": np.full((16, 16, 1, 1), np.inf, np.float32)}, "its weight holds NaN or infinity"),
        ({"w": np.zeros((16, 16, 1, 1), np.float32), "c": np.full(16, np.nan, np.float32)}, "its bias holds NaN"),
    ],
)
def test_conv_with_values_that_are_not_finite_stays_float(weights: Any, reason: str) -> None:
    from pyq8.ops.placement import place

    inputs = "a, w, c" if "c" in weights else "a, w"

    placement = place(between(f"[n] b = Conv({inputs})", weights))

    assert reason in placement.float_nodes["n"]
