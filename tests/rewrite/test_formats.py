"""The two output formats: how they look, that they are the same, and that they are the same every time."""

from __future__ import annotations

import json
from collections import Counter

import onnx_ir as ir
import pytest

from pyq8.errors import UsageError
from pyq8.rewrite import rewrite
from pyq8.types import Plan

from ..small_models import FORMATS, NEWEST, OLDEST, Weights, between, check_case, parse, quantized

pytestmark = pytest.mark.cpu

BODY = """[r] r = Relu(a) [m] m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r) [c] c = Conv<group = 4>(m, w3, b3)
          [s] s = Sigmoid(c) [t] t = Mul(c, s) [g] g = GlobalAveragePool(t) [x] u = Mul(t, g)
          [k] k = Concat<axis = 1>(u, t) [b] b = Conv(k, w4)"""
WEIGHTS: Weights = {"w3": (16, 4, 1, 1), "b3": (16,), "w4": (16, 32, 1, 1)}


def serialized(model: ir.Model) -> bytes:
    return bytes(ir.to_proto(model).SerializeToString())


@pytest.mark.parametrize("opset", [OLDEST, 17, 21, NEWEST])
def test_a_network_of_many_operators(opset: int) -> None:
    model = between(BODY, WEIGHTS, opset)

    case = quantized(model)

    compute = dict.fromkeys(("conv1", "c", "b", "conv2"), "QLinearConv")
    check_case(case, {**compute, "s": "QLinearSigmoid", "t": "QLinearMul", "k": "QLinearConcat"}, minimum=25)
    for name in FORMATS:
        assert case.quantized[name].graph.opset_imports[""] == opset


def test_qdq_holds_float_operators_and_qoperator_integer_ones() -> None:
    case = quantized(between(BODY, WEIGHTS))

    qdq = Counter(node.op_type for node in case.quantized["qdq"].graph)
    qoperator = Counter(node.op_type for node in case.quantized["qoperator"].graph)

    assert qdq["Conv"] == 4
    assert not [op for op in qdq if op.startswith("QLinear")]
    assert qoperator["QLinearConv"] == 4
    assert (qoperator["Conv"], qoperator["QuantizeLinear"], qoperator["DequantizeLinear"]) == (0, 1, 1)


def test_the_plan_read_back_from_json_gives_the_same_bytes() -> None:
    case = quantized(between(BODY, WEIGHTS))

    again = Plan.from_json(json.loads(json.dumps(case.plan.to_json())))

    assert again == case.plan
    for name in FORMATS:
        assert serialized(rewrite(case.model, again, name)) == serialized(case.quantized[name])


def test_two_runs_give_the_same_bytes() -> None:
    one, two = (quantized(between(BODY, WEIGHTS)) for _ in range(2))

    assert one.plan == two.plan
    for name in FORMATS:
        assert serialized(one.quantized[name]) == serialized(two.quantized[name])


def test_names_of_inputs_and_outputs_are_kept() -> None:
    text = """g (float[N, 8, 9, 9] image) => (float[N, C, H, W] scores) {
        [conv1] a = Conv(image, w1)  [conv2] b = Conv(a, w2)  [relu] scores = Relu(b)
    }"""

    case = quantized(parse(text, {"w1": (16, 8, 1, 1), "w2": (4, 16, 1, 1)}))

    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"})
    for model in case.quantized.values():
        for old, new in zip((*case.model.graph.inputs, *case.model.graph.outputs),
                            (*model.graph.inputs, *model.graph.outputs), strict=True):  # fmt: skip
            assert (new.name, new.dtype, new.shape) == (old.name, old.dtype, old.shape)


def test_an_unknown_format() -> None:
    case = quantized(between("[n] b = Relu(a)"))

    with pytest.raises(UsageError, match="unknown format 'qoperators'; did you mean 'qoperator'"):
        rewrite(case.model, case.plan, "qoperators")
