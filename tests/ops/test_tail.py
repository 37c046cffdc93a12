"""What only moves the last convolution's result moves it as uint8; what computes on it stays FP32."""

from __future__ import annotations

import pytest

from pyq8.ops.placement import place
from tests.small_models import FORMATS, WEIGHTS, Weights, parse, quantized

W: Weights = {**WEIGHTS, "flat": (16, 10)}
HEAD = """g (float[N, 8, 12, 12] x) => (float[N, 144, 16] y) {
    [head] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)
    [rows] b = Transpose<perm = [0, 2, 3, 1]>(a)
    shape = Constant<value_ints = [0, 144, 16]>()
    [boxes] c = Reshape(b, shape)
    [score] y = Softmax(c)
}"""


def test_a_head_is_transposed_and_reshaped_as_uint8() -> None:
    placement = place(parse(HEAD, W))
    assert [node.name for node in placement.int8] == ["head", "rows", "boxes"]
    assert placement.float_nodes == {"score": "behind the last convolution"}


@pytest.mark.parametrize("form", FORMATS)
def test_and_dequantized_once_behind_that(form: str) -> None:
    case = quantized(parse(HEAD, W))
    assert case.row(form, "rows").int8 and case.row(form, "boxes").int8
    assert not case.row(form, "score").int8


def test_a_gemm_still_writes_float() -> None:
    text = """g (float[N, 8, 12, 12] x) => (float[N, 2, 5] y) {
        [conv] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)
        [pool] p = GlobalAveragePool(a)
        [flat] f = Flatten(p)
        [fc] g1 = Gemm(f, flat)
        shape = Constant<value_ints = [0, 2, 5]>()
        [last] y = Reshape(g1, shape)
    }"""
    placement = place(parse(text, W))
    assert placement.float_nodes == {"last": "behind the last convolution"}
    case = quantized(parse(text, W))
    assert "g1" not in case.plan.qparams
