"""Add, Mul, Concat and the activations, between two convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.ops.placement import place

from ..small_models import Weights, between, check_case, check_float, quantized

BRANCH = "[branch] d = Conv<pads = [1, 1, 1, 1]>(x, w3)"
TWO: Weights = {"w3": (16, 8, 3, 3)}
SCALES = np.linspace(-2, 3, 16, dtype=np.float32)


@pytest.mark.parametrize(
    ("body", "kernel", "weights"),
    [
        (f"{BRANCH} [n] b = Add(a, d)", "QLinearAdd", TWO),
        ("[n] b = Add(a, a)", "QLinearAdd", {}),
        ("[n] b = Add(a, k)", "QLinearAdd", {"k": SCALES.reshape(16, 1, 1)}),
        ("[n] b = Add(k, a)", "QLinearAdd", {"k": np.float32(0.7)}),
        ("[pool] d = GlobalAveragePool(a) [n] b = Add(d, a)", "QLinearAdd", {}),
        (f"{BRANCH} [n] b = Mul(a, d)", "QLinearMul", TWO),
        ("[n] b = Mul(a, k)", "QLinearMul", {"k": SCALES.reshape(1, 16, 1, 1)}),
        ("[n] b = Mul(k, a)", "QLinearMul", {"k": np.float32(-0.5)}),
        ("[pool] d = GlobalAveragePool(a) [gate] g = Sigmoid(d) [n] b = Mul(a, g)", "QLinearMul", {}),
        (f"{BRANCH} [n] b = Concat<axis = 1>(a, d)", "QLinearConcat", {**TWO, "w2": (16, 32, 3, 3)}),
        (f"{BRANCH} [n] b = Concat<axis = -2>(a, d, a)", "QLinearConcat", TWO),
        ("[n] b = Concat<axis = 1>(a, k)", "QLinearConcat", {"k": (1, 4, 12, 12), "w2": (16, 20, 3, 3)}),
        ("[n] b = LeakyRelu<alpha = 0.2>(a)", "QLinearLeakyRelu", {}),
        ("[n] b = LeakyRelu(a)", "QLinearLeakyRelu", {}),
        ("[n] b = Sigmoid(a)", "QLinearSigmoid", {}),
        ("[n] b = Softmax<axis = 1>(a)", "QLinearSoftmax", {}),
        ("[n] b = Softmax(a)", "QLinearSoftmax", {}),
    ],
)
def test_int8(body: str, kernel: str, weights: Weights) -> None:
    check_case(quantized(between(body, weights)), {"conv1": "QLinearConv", "n": kernel, "conv2": "QLinearConv"})


@pytest.mark.parametrize("op", ["HardSwish", "HardSigmoid", "Elu", "Tanh"])
def test_no_int8_kernel(op: str) -> None:
    check_float(quantized(between(f"[n] b = {op}(a)")), "n", f"ONNX Runtime has no INT8 {op}")


@pytest.mark.parametrize(
    ("source", "low", "high"),
    [
        ("[c] c = Conv(a, w)", None, None),
        ("[c] c = Conv(a, w)", 0.0, 1.0),
        ("[c] c = Conv(a, w)", -0.5, 1.0),
        ("[c] c = Conv(a, w)", None, 0.7),
        ("[c] c = Add(a, a)", None, None),
        ("[c] c = Mul(a, a)", 0.0, 2.0),
        ("[c] c = Concat<axis = 2>(a, a)", None, None),
        ("[c] c = AveragePool<kernel_shape = [2, 2]>(a)", None, None),
        ("[c] c = GlobalAveragePool(a)", None, None),
    ],
)
def test_saturation_computes_a_relu_or_clip(source: str, low: float | None, high: float | None) -> None:
    weights: dict[str, object] = {"w": (16, 16, 1, 1)} if "w" in source else {}
    ends = {name: np.float32(v) for name, v in (("low", low), ("high", high)) if v is not None}
    activation = (
        f"Clip(c, {'low' if low is not None else ''}, {'high' if high is not None else ''})" if ends else "Relu(c)"
    )
    activation = activation.replace(", )", ")")

    case = quantized(between(f"{source} [n] b = {activation}", {**weights, **ends}))  # type: ignore[dict-item]

    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"})
    assert dict(case.plan.absorbed) == {"n": "c"}
    assert "c" not in case.plan.qparams
    bottom, top = case.plan.qparams["b"].range
    half = float(case.plan.qparams["b"].scale) / 2
    assert bottom >= (low if low is not None else 0.0 if not ends else -np.inf) - half
    assert top <= (high if high is not None else np.inf) + half


def test_two_activations_in_a_row_are_both_absorbed() -> None:
    case = quantized(between("[r] c = Relu(a) [n] b = Clip(c, , high)", {"high": np.float32(1)}))

    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"})
    assert dict(case.plan.absorbed) == {"r": "conv1", "n": "conv1"}


@pytest.mark.parametrize(
    ("body", "weights", "reason"),
    [
        ("[n] b = Clip(a, low, high)", {"low": np.float32(0.5), "high": np.float32(2)}, "does not hold 0"),
        ("[max] m = MaxPool<kernel_shape = [2, 2]>(a) [n] b = Relu(m)", {}, "no INT8 node right before it"),
        ("[s] s = Sigmoid(a) [n] b = Clip(s, , high)", {"high": np.float32(0.6)}, "no INT8 node right before it"),
    ],
)
def test_an_activation_that_nothing_absorbs(body: str, weights: Weights, reason: str) -> None:
    case = quantized(between(body, weights))

    assert reason in case.plan.float_nodes["n"]
    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"}, q=2, dq=2)


def test_a_relu_whose_input_others_read_is_not_absorbed() -> None:
    case = quantized(between("[n] r = Relu(a) [add] b = Add(r, a)"))

    assert "others read its input too" in case.plan.float_nodes["n"]
    check_case(case, {"add": "QLinearAdd"}, q=2, dq=2)


@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_a_constant_that_is_not_finite_stays_float(op: str) -> None:
    k = np.array([np.inf] + [0] * 15, np.float32).reshape(16, 1, 1)

    placement = place(between(f"[n] c = {op}(a, k) [m] b = Clip(c, low, high)", {
        "k": k, "low": np.float32(0), "high": np.float32(1)}))  # fmt: skip

    assert placement.float_nodes["n"] == "its constant holds NaN or infinity"
