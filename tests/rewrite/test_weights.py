"""Weights and biases in the quantized model: shared ones, dead channels, no pair that saturates."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.metrics.sqnr import sqnr
from pyq8.saturation import kernel_order, unsafe
from pyq8.types import PAIRED, Array, Config

from ..small_models import FORMATS, Case, Weights, between, check_case, parse, quantized


def integers(case: Case, name: str, dtype: ir.DataType) -> list[Array]:
    values = case.quantized[name].graph.initializers.values()
    arrays = [v.const_value.numpy() for v in values if v.const_value is not None and v.dtype == dtype]
    return [array for array in arrays if array.any()]  # not the zero points


def test_weights_are_int8_without_minus_128_and_biases_int32() -> None:
    case = quantized(between("[n] b = Relu(a)"))

    for name in FORMATS:
        weights = [w for w in integers(case, name, ir.DataType.INT8) if w.ndim == 4]
        assert len(weights) == 2
        for w in weights:
            assert (w.min(axis=(1, 2, 3)) >= -127).all()
            assert (np.abs(w).max(axis=(1, 2, 3)) == 127).all()  # every channel uses the whole range
        assert len(integers(case, name, ir.DataType.INT32)) == 2
        floats = [w for w in integers(case, name, ir.DataType.FLOAT) if w.ndim == 4]
        assert floats == []


def test_weights_that_saturate_on_no_cpu() -> None:
    case = quantized(between("[n] b = Relu(a)"), Config(weight_type=PAIRED))

    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"})
    for name in FORMATS:
        for w in integers(case, name, ir.DataType.INT8):
            if w.ndim == 4:
                assert 64 < np.abs(w).max() <= 127
                assert not unsafe(kernel_order(w, 0)).any()


def test_two_convolutions_that_share_weights_and_bias_but_not_the_input() -> None:
    text = """g (float[1, 16, 8, 8] x) => (float[N, C, H, W] y) {
        [head] a = Conv<pads = [1, 1, 1, 1]>(x, w, b)  [relu] r = Relu(a)  [small] s = Mul(r, k)
        [again] c = Conv<pads = [1, 1, 1, 1]>(s, w, b)  [join] j = Concat<axis = 1>(a, c)  [last] y = Conv(j, v)
    }"""
    weights: Weights = {"w": (16, 16, 3, 3), "b": (16,), "k": np.float32(1e-3), "v": (8, 32, 1, 1)}

    case = quantized(parse(text, weights))

    check_case(case, {"head": "QLinearConv", "again": "QLinearConv", "last": "QLinearConv"}, q=2, dq=2)
    for name in FORMATS:
        assert len([w for w in integers(case, name, ir.DataType.INT8) if w.ndim == 4]) == 2
        assert len(integers(case, name, ir.DataType.INT32)) == 3


def test_a_matrix_that_is_read_as_it_is_and_transposed() -> None:
    text = """g (float[1, 8, 4, 4] x) => (float[N, M] y) {
        [conv] a = Conv(x, w1)  [flat] f = Flatten(a)  [one] p = Gemm(f, w, b)  [two] y = Gemm<transB = 1>(p, w, b)
    }"""
    w = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)

    case = quantized(parse(text, {"w1": (4, 8, 1, 1), "w": w, "b": (64,)}))

    check_case(case, {"one": "QGemm", "two": "QGemm"}, dq=0)
    assert case.plan.qparams["w"].axis is None


@pytest.mark.parametrize(("size", "bias"), [(0.0, 0.3), (1e-13, 0.3), (1e-13, -5.0), (1e-30, 1e4)])
def test_a_dead_channel_keeps_its_bias(size: float, bias: float) -> None:
    rng = np.random.default_rng(0)
    w = rng.standard_normal((16, 16, 3, 3)).astype(np.float32)
    b = rng.standard_normal(16).astype(np.float32)
    w[5], b[5] = np.float32(size) * w[5], np.float32(bias)

    case = quantized(between("[n] b = Conv<pads = [1, 1, 1, 1]>(a, w, c)", {"w": w, "c": b}))

    dead = between("[n] b = Conv<pads = [1, 1, 1, 1]>(a, w, c)", {"w": w, "c": b})
    dead.graph.outputs.append(next(n for n in dead.graph if n.name == "n").outputs[0])
    seen = quantized(dead)
    for name in FORMATS:
        assert max(int(np.abs(q.astype(np.int64)).max()) for q in integers(case, name, ir.DataType.INT32)) <= 2**30
        channel = seen.outputs[name][1][:, :, 5]
        assert np.abs(channel - bias).max() <= float(seen.plan.qparams["b"].scale)
        assert sqnr(seen.reference[1], seen.outputs[name][1]) > 30


def test_a_bias_far_larger_than_the_products_does_not_clip() -> None:
    w = np.full((16, 16, 1, 1), 1e-6, np.float32)

    case = quantized(between("[n] b = Conv(a, w, c)", {"w": w, "c": np.linspace(-900, 900, 16, dtype=np.float32)}))

    check_case(case, {"n": "QLinearConv"}, minimum=35)
