"""What lies before the first convolution, behind the last, and in the bodies of control flow stays FP32."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.metrics.sqnr import sqnr

from ..small_models import FORMATS, boundaries, check_case, check_valid, executed, parse, quantized, random_feeds, run

W = {"w1": (16, 8, 3, 3), "w2": (20, 16, 3, 3)}


def test_preprocessing_and_postprocessing_stay_float() -> None:
    text = """g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y, int64[N, K, I, J] best) {
        [norm] n = Mul(x, k)  [shift] m = Add(n, k)  [conv1] a = Conv(m, w1)  [relu] r = Relu(a)
        [conv2] c = Conv(r, w2)  [scores] y = Softmax<axis = 1>(c)  [top] t = Sigmoid(y)
        [best] best = ArgMax<axis = 1>(t)
    }"""

    case = quantized(parse(text, {**W, "k": (8, 1, 1)}))

    assert case.plan.int8_nodes == ("conv1", "conv2")
    assert {n: r for n, r in case.plan.float_nodes.items() if "before" in r}.keys() == {"norm", "shift"}
    assert {n: r for n, r in case.plan.float_nodes.items() if "behind" in r}.keys() == {"scores", "top", "best"}
    for name in FORMATS:
        assert boundaries(case.quantized[name]) == (1, 1)
        assert executed(case.quantized[name])["Softmax"] == 1
        assert sqnr(case.reference[0], case.outputs[name][0]) > 30


def test_a_loop_body_is_untouched_and_reads_the_dequantized_tensor() -> None:
    text = """g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y, float[N, K, I, J] total) {
        [conv1] a = Conv(x, w1)
        [loop] total = Loop(trip, , start) <body = step (int64 i, bool going, float[1, 16, 7, 7] sum)
            => (bool on, float[1, 16, 7, 7] next) { on = Identity(going)  half = Relu(a)  next = Add(sum, half) }>
        [conv2] y = Conv(a, w2)
    }"""
    start = np.zeros((1, 16, 7, 7), np.float32)

    case = quantized(parse(text, {**W, "trip": np.array(3), "start": start}))

    for name in FORMATS:
        model = case.quantized[name]
        (loop,) = [n for n in model.graph if n.op_type == "Loop"]
        assert [n.op_type for n in loop.attributes["body"].as_graph()] == ["Identity", "Relu", "Add"]
        check_valid(model)
        for reference, found in zip(case.reference, case.outputs[name], strict=True):
            assert sqnr(reference, found) > 30
        assert boundaries(model) == (1, 2)


def test_both_branches_of_an_if_capture_quantized_tensors() -> None:
    text = """g (float[1, 8, 9, 9] x, bool[1] flag) => (float[N, C, H, W] y) {
        [conv1] a = Conv(x, w1)  [relu] r = Relu(a)
        [if] c = If(flag) <then_branch = one () => (float[1, 16, 7, 7] p) { p = Mul(r, r) },
                           else_branch = two () => (float[1, 16, 7, 7] q) { q = Neg(r) }>
        [conv2] y = Conv(c, w2)
    }"""
    model = parse(text, W)
    feeds = [{**f, "flag": np.array([i % 2 == 0])} for i, f in enumerate(random_feeds(model))]

    case = quantized(model, feeds=feeds)

    assert case.plan.float_nodes["if"] == "ONNX Runtime has no INT8 If"
    for name in FORMATS:
        check_valid(case.quantized[name])
        assert sqnr(case.reference[0], case.outputs[name][0]) > 25


def test_reading_the_shape_of_a_quantized_tensor_dequantizes_nothing() -> None:
    text = """g (float[1, 8, H, W] x) => (float[N, C, I, J] y) {
        [conv1] a = Conv(x, w1)  [max] m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)
        [shape] s = Shape(a)  [up] u = Resize(m, , , s)  [add] z = Add(a, u)  [conv2] y = Conv(z, w2)
    }"""
    model = parse(text, W)
    feeds = [{"x": np.random.default_rng(i).standard_normal((1, 8, 9, 9)).astype(np.float32)} for i in range(4)]

    case = quantized(model, feeds=feeds)

    check_case(case, {"conv1": "QLinearConv", "up": "Resize", "add": "QLinearAdd", "conv2": "QLinearConv"})


def test_a_quantized_tensor_that_is_an_output_and_is_read_inside_keeps_its_name() -> None:
    text = """g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y, float[N, K, I, J] a, float[N, D, P, Q] m) {
        [conv1] a = Conv(x, w1)  [max] m = MaxPool<kernel_shape = [2, 2]>(a)  [neg] n = Relu(m)
        [conv2] y = Conv(m, w2)
    }"""

    case = quantized(parse(text, W))

    check_case(case, {"conv1": "QLinearConv", "max": "NhwcMaxPool", "conv2": "QLinearConv"}, dq=3)
    for name in FORMATS:
        outputs = case.quantized[name].graph.outputs
        assert [(v.name, v.dtype) for v in outputs] == [(n, ir.DataType.FLOAT) for n in "yam"]


def test_a_tensor_that_is_called_like_a_scale_does_not_clash() -> None:
    text = """g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y, float[N, K, I, J] a_quantized) {
        [conv1] a = Conv(x, w1)  [r1] a_scale = MaxPool<kernel_shape = [2, 2]>(a)
        [r2] a_quantized = Add(a_scale, a_scale)  [conv2] y = Conv(a_quantized, w2)
    }"""

    case = quantized(parse(text, W))

    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"}, dq=2)
    assert [v.name for v in case.quantized["qdq"].graph.outputs] == ["y", "a_quantized"]


def test_the_prepared_model_is_not_changed() -> None:
    case = quantized(parse("g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y) { [conv1] y = Conv(x, w1) }", W))
    before = ir.to_proto(case.model).SerializeToString()

    assert len(case.quantized) == len(FORMATS)

    assert ir.to_proto(case.model).SerializeToString() == before
    np.testing.assert_array_equal(run(case.model, case.feeds)[0], case.reference[0])
