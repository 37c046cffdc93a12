"""ONNX Runtime would quantize by itself what stands between two INT8 nodes; the plan's word counts."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.errors import ModelError
from pyq8.metrics.sqnr import sqnr
from pyq8.passes import prepare
from pyq8.rewrite import rewrite
from pyq8.types import INT7, Config
from pyq8.verify.kernels import check_float
from pyq8.verify.report import make_report

from ..small_models import FORMATS, Weights, between, check_case, executed, quantized, run

BRANCH: Weights = {"w3": (16, 8, 3, 3)}
SECOND = "[other] d = Conv<pads = [1, 1, 1, 1]>(x, w3)"


@pytest.mark.cpu
@pytest.mark.parametrize(
    ("body", "weights", "q", "dq"),
    [
        ("[n] b = Conv(a, w)", {"w": (16, 16, 1, 1)}, 2, 2),
        ("[n] c = Conv(a, w) [r] b = Relu(c)", {"w": (16, 16, 1, 1)}, 2, 2),
        ("[n] c = Conv(a, w) [r] b = Clip(c, , six)", {"w": (16, 16, 1, 1), "six": np.float32(6)}, 2, 2),
        ("[n] b = Sigmoid(a)", {}, 2, 2),
        ("[n] b = LeakyRelu(a)", {}, 2, 2),
        ("[n] b = Softmax<axis = 1>(a)", {}, 2, 2),
        ("[n] b = AveragePool<kernel_shape = [2, 2]>(a)", {}, 2, 2),
        ("[n] b = GlobalAveragePool(a)", {}, 2, 2),
        ("[n] b = MatMul(a, w)", {"w": (12, 12)}, 2, 2),
        (f"{SECOND} [n] b = Add(a, d)", BRANCH, 2, 3),
        (f"{SECOND} [n] b = Mul(a, d)", BRANCH, 2, 3),
        (f"{SECOND} [n] b = Concat<axis = 2>(a, d)", BRANCH, 2, 3),
    ],
)
def test_an_excluded_node_runs_in_float(body: str, weights: Weights, q: int, dq: int) -> None:
    model = between(body, weights)

    case = quantized(model, Config(exclude=("n",)))

    assert case.plan.float_nodes["n"] == "excluded by 'n'"
    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"}, q=q, dq=dq)
    for name in FORMATS:
        row = case.row(name, "n")
        assert (row.int8, row.reason) == (False, "excluded by 'n'")
        assert executed(case.quantized[name])["QLinearConv"] == len(case.plan.int8_nodes)


MOVED: list[tuple[str, Weights]] = [
    ("[n] c = Conv(a, w) [p] b = MaxPool<kernel_shape = [2, 2]>(c)", {"w": (16, 16, 1, 1)}),
    ("[n] c = Conv(a, w) [r] d = Relu(c) [p] b = Slice(d, one, nine, two)", {"w": (16, 16, 1, 1)}),
    ("[p] c = MaxPool<kernel_shape = [2, 2]>(a) [n] b = Conv(c, w)", {"w": (16, 16, 1, 1)}),
    ("[p] c = Flatten(a) [n] d = Gemm(c, w) [q] b = Reshape(d, shape)", {"w": (2304, 576)}),
    (
        """[p] c = Transpose<perm = [0, 1, 3, 2]>(a) [n] d = LeakyRelu(c)
        [q] e = Unsqueeze(d, two) [r] b = Squeeze(e, two)""",
        {},
    ),
    ("[p] c = Pad(a, pads) [n] d = Conv(c, w) [q] b = MaxPool<kernel_shape = [2, 2]>(d)", {"w": (16, 16, 1, 1)}),
    (
        "[o] d = Conv(a, w) [p] c = Concat<axis = 1>(a, d) [n] e = Conv(c, w2x) [q] b = Resize(e, , scales)",
        {"w": (16, 16, 1, 1), "w2x": (16, 32, 1, 1)},
    ),
    (
        "[o] d = Conv(a, w) [p] e = Transpose<perm = [0, 1, 3, 2]>(d) [n] c = MatMul(a, e) [q] b = Reshape(c, back)",
        {"w": (16, 16, 1, 1)},
    ),
    ("[o] d = Conv(a, w) [n] c = MatMul(a, d) [q] b = Elu(c)", {"w": (16, 16, 1, 1)}),
    ("[o] d = Conv(a, w) [n] b = Where(which, a, d)", {"w": (16, 16, 1, 1), "which": np.arange(12) % 2 == 0}),
]
MOVED += [
    ("[p] c = Cast<to = 1>(a) [n] b = Conv(c, w)", {"w": (16, 16, 1, 1)}),
    ("[n] c = Conv(a, w) [q] b = Cast<to = 1>(c)", {"w": (16, 16, 1, 1)}),
    ("[p] c = Expand(a, back) [n] b = Conv(c, w)", {"w": (16, 16, 1, 1)}),
]
NUMBERS: Weights = {
    "one": np.array([1]),
    "two": np.array([2]),
    "nine": np.array([9]),
    "shape": np.array([1, 16, 6, 6]),
    "back": np.array([1, 16, 12, 12]),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    "scales": np.array([1, 1, 2, 2], np.float32),
}


@pytest.mark.parametrize(("body", "weights"), MOVED)
@pytest.mark.parametrize("others", [(), ("p",), ("q",), ("p", "q"), ("[pq]",)])
def test_what_only_moves_values_hides_no_excluded_node(body: str, weights: Weights, others: tuple[str, ...]) -> None:
    """ONNX Runtime carries both QuantizeLinear and DequantizeLinear past it."""
    others = tuple(p for p in others if f"[{p}]" in body or (p == "[pq]" and "[q]" in body))
    used = {name: value for name, value in NUMBERS.items() if f"{name})" in body or f"{name}," in body}
    model = between(body, {**weights, **used})

    case = quantized(model, Config(exclude=("n", *others), placement="all"))

    for name in FORMATS:
        assert not case.row(name, "n").int8
        check_float(case.kernels(name), case.plan.float_nodes)
        runs = executed(case.quantized[name])
        assert runs["QLinearConv"] + runs["QGemm"] == sum(
            node.op_type in ("Conv", "Gemm") and node.name in case.plan.int8_nodes for node in model.graph
        )


@pytest.mark.cpu
def test_an_excluded_convolution_whose_outputs_were_padded_runs_in_float() -> None:
    model = prepare(between("[n] b = Conv(a, w)", {"w": (18, 16, 1, 1), "w2": (16, 18, 3, 3)})).model
    assert "Slice" in [node.op_type for node in model.graph]

    case = quantized(model, Config(exclude=("n",)))

    for name in FORMATS:
        assert executed(case.quantized[name])["QLinearConv"] == 2
        assert not case.row(name, "n").int8


@pytest.mark.cpu
@pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
def test_a_region_before_an_excluded_movement_loads() -> None:
    """ONNX Runtime carried the QuantizeLinear to the region, and gave what is between no type."""
    body = """[o] d = Conv(a, w) [t] c = Transpose<perm = [0, 1, 3, 2]>(a) [u] e = Transpose<perm = [0, 1, 3, 2]>(d)
              [n] b = Add(c, e)"""
    config = Config(exclude=("t",), placement="all", weight_type=INT7)  # ONNX Runtime is right on any CPU
    case = quantized(between(body, {"w": (16, 16, 1, 1)}), config)

    found = run(rewrite(case.model, case.plan, "pyq8"), case.feeds)

    np.testing.assert_array_equal(found[0], case.outputs["qoperator"][0])


@pytest.mark.parametrize("name", FORMATS)
def test_a_node_in_int8_against_the_plan_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyq8.rewrite.shield.shield", lambda *_: None)
    case = quantized(between("[n] b = Conv(a, w)", {"w": (16, 16, 1, 1)}), Config(exclude=("n",)))

    with pytest.raises(ModelError, match=r"node 'n' is to stay FP32 \(excluded by 'n'\), .* INT8, as .*QLinearConv"):
        make_report(case.model, case.quantized[name], case.plan, [])


def test_an_excluded_convolution_keeps_its_float_weights() -> None:
    """ONNX Runtime would round them with one scale, to which the small channels are nothing."""
    w = np.random.default_rng(0).standard_normal((16, 16, 1, 1)).astype(np.float32)
    w *= np.geomspace(1e-4, 1, 16, dtype=np.float32).reshape(16, 1, 1, 1)
    # the second convolution undoes the channels' scale, so that the small ones count
    w2 = np.eye(16, dtype=np.float32).reshape(16, 16, 1, 1) / np.geomspace(1e-4, 1, 16, dtype=np.float32)[:, None, None]
    model = between("[n] b = Conv(a, w)", {"w": w, "w2": w2})

    case = quantized(model, Config(exclude=("n", "conv2")))

    for name in FORMATS:
        assert executed(case.quantized[name])["QLinearConv"] == 1
        assert sqnr(case.reference[0], case.outputs[name][0]) > 35


def test_an_excluded_max_pool_costs_no_accuracy() -> None:
    case = quantized(between("[n] b = MaxPool<kernel_shape = [2, 2]>(a)"), Config(exclude=("n",)))
    plain = quantized(case.model)

    assert case.plan.float_nodes == {"n": "excluded by 'n'"}
    for name in FORMATS:
        np.testing.assert_array_equal(case.outputs[name][0], plain.outputs[name][0])


@pytest.mark.parametrize("excluded", ["s", "m", "t"])
def test_excluding_a_node_needs_no_new_calibration(excluded: str) -> None:
    body = """[s] c = Sigmoid(a) [m] d = MaxPool<kernel_shape = [2, 2]>(c) [t] e = Transpose<perm = [0, 1, 3, 2]>(d)
              [l] b = LeakyRelu(e)"""

    case = quantized(between(body), Config(exclude=(excluded,)))

    assert case.plan.float_nodes[excluded] == f"excluded by {excluded!r}"
    for name in FORMATS:
        assert sqnr(case.reference[0], case.outputs[name][0]) > 30


def test_nothing_is_put_before_what_the_runtime_does_not_quantize() -> None:
    case = quantized(between("[n] b = HardSwish(a)"))

    for name in FORMATS:
        assert "Sum" not in [node.op_type for node in case.quantized[name].graph]
