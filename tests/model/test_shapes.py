from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.model.shapes import infer_shapes
from tests.passes.equivalence import assert_same, feeds_of, run
from tests.small_models import parse

W = {"w": (4, 3, 3, 3)}


def value(model: ir.Model, name: str) -> ir.Value:
    return next(v for node in model.graph for v in node.outputs if v.name == name)


def test_rank_and_channels_of_a_convolution_behind_a_loop() -> None:
    # given an image that a Loop hands on, of no known shape
    text = """g (float[N,3,8,8] x, int64 n) => (float[A,B,C,D] y) {
        l = Loop(n, yes, x) <body = b (int64 i, bool c, float[N,3,P,Q] v) => (bool d, float[N,3,R,S] u) {
            d = Identity(c) u = Neg(v)
        }>
        a = Conv(l, w) r = Relu(a) y = Neg(r)
    }"""
    model = parse(text, {**W, "yes": np.array(True)})
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    body = model.graph.node(0).attributes["body"].as_graph()
    for output in body.outputs:
        output.shape = None
    for inner in body.inputs[2:]:
        inner.shape = None

    # when
    infer_shapes(model)

    # then the Conv's weight tells the rank before it, and rank and channels behind it
    before, behind = value(model, "l").shape, value(model, "r").shape
    assert before is not None and behind is not None
    assert len(before) == len(behind) == 4
    assert behind[1] == 4


def test_a_declared_shape_fills_what_inference_leaves_open() -> None:
    text = (
        "g (float[1,3,8,8] x, int64[4] s) => (float[A,B,C,D] y) <float[1,3,8,8] a> { a = Reshape(x, s) y = Conv(a, w) }"
    )
    model = parse(text, W)
    infer_shapes(model)
    assert str(value(model, "a").shape) == "[1,3,8,8]"


def test_a_declared_shape_that_is_wrong_gives_way() -> None:
    model = parse("g (float[4,3,8,8] x) => (float[A,B,C,D] y) <float[1,4,6,6] a> { a = Conv(x, w) y = Relu(a) }", W)
    value(model, "a").shape = ir.Shape([1, 4, 6, 6])
    infer_shapes(model)
    assert str(value(model, "a").shape) == "[4,4,6,6]"


def test_what_the_model_declares_of_its_outputs_stays() -> None:
    model = parse("g (float[4,3,8,8] x) => (float[batch,4,H,W] y) { y = Conv(x, w) }", W)
    infer_shapes(model)
    assert str(model.graph.outputs[0].shape) == "[batch,4,H,W]"


def test_a_sequence_stays_a_sequence() -> None:
    # given a model that holds its features in a sequence, as detectors do
    text = """g (float[1,3,8,8] x) => (float[A,B,C,D] y) {
        a = Conv(x, w) s = SequenceConstruct(a, a) y = ConcatFromSequence<axis = 1>(s)
    }"""
    model = parse(text, W)

    # when
    inferred = model.clone()
    infer_shapes(inferred)

    # then it runs
    assert isinstance(value(inferred, "s").type, ir.SequenceType)
    feeds = feeds_of(model)
    assert_same(run(inferred, feeds), run(model, feeds))


def test_a_large_weight_is_still_there_afterwards() -> None:
    model = parse("g (float[1,3,8,8] x) => (float[A,B,C,D] y) { y = Conv(x, w) }", {"w": (64, 3, 3, 3)})
    infer_shapes(model)
    weight = model.graph.initializers["w"]
    assert weight.const_value is not None
    assert weight.const_value.nbytes == 64 * 27 * 4
    assert [v.name for v in model.graph.inputs] == ["x"]


def test_a_model_that_inference_cannot_read_is_left_as_it_is() -> None:
    model = parse("g (float[1,3,8,8] x) => (float[A,B,C,D] y) { a = Conv(x, w) y = Relu(a) }", W)
    shape = str(value(model, "a").shape)
    model.graph.node(1).attributes["broken"] = ir.Attr("broken", ir.AttributeType.UNDEFINED, None)
    infer_shapes(model)
    assert str(value(model, "a").shape) == shape
