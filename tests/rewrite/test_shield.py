"""ONNX Runtime would quantize by itself what stands between two INT8 nodes; the plan's word counts."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.metrics.sqnr import sqnr
from pyq8.types import Config

from ..small_models import FORMATS, Weights, between, check_case, executed, quantized

BRANCH: Weights = {"w3": (16, 8, 3, 3)}
SECOND = "[other] d = Conv<pads = [1, 1, 1, 1]>(x, w3)"


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
