"""affine.py against the ONNX reference evaluator, and by its properties."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx.reference import ReferenceEvaluator

from pyq8 import affine
from pyq8.types import INT7, INT8, INT32, UINT8, Array, QParams, QType

MODEL = """
<ir_version: 8, opset_import: ["": 19]>
g (float[N, C, H] x, float{shape} s, {dtype}{shape} z) => ({dtype}[N, C, H] q, float[N, C, H] y) {{
    q = QuantizeLinear <axis = 1> (x, s, z)
    y = DequantizeLinear <axis = 1> (q, s, z)
}}
"""
TINY = float(np.finfo(np.float32).tiny)
MAX = float(np.finfo(np.float32).max)
floats = st.floats(-MAX, MAX, width=32)
ordinary = st.floats(-1e6, 1e6, width=32)


def onnx_reference(x: Array, qparams: QParams) -> tuple[Array, Array]:
    text = MODEL.format(shape="" if qparams.axis is None else "[C]", dtype=qparams.qtype.dtype)
    zero_point = qparams.zero_point.astype(qparams.qtype.dtype)
    feeds = {"x": x, "s": qparams.scale, "z": zero_point}
    q, y = ReferenceEvaluator(onnx.parser.parse_model(text)).run(None, feeds)
    return np.asarray(q), np.asarray(y)


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)


def same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)


def covers(qparams: QParams, low: float, high: float) -> bool:
    """Whether both ends are within half a step of what can be represented."""
    bottom, top = qparams.range
    half = float(qparams.scale) / 2
    return bottom - half <= low and high <= top + half


@pytest.mark.parametrize("low, high", [(-4, 4), (0, 3), (-1.7, 0), (-0.1, 11.3)])
def test_per_tensor_is_exactly_onnx(low: float, high: float) -> None:
    x = noise(4, 8, 32)
    qparams = affine.choose_qparams(low, high)

    q = affine.quantize(x, qparams)
    y = affine.dequantize(q, qparams)

    expected_q, expected_y = onnx_reference(x, qparams)
    assert same(q, expected_q)
    assert same(y, expected_y)


def test_weights_that_are_multiples_of_one_number_are_not_rounded() -> None:
    """Those of an interpolation by seven; of trained weights the largest decides, and of too many multiples."""
    exact = np.outer([3, 4, 0], [3, 4, 0]).ravel() / 49
    weight = np.stack([exact, exact * 1.01 ** np.arange(9), exact + 3]).astype(np.float32)

    qparams = affine.choose_weight_qparams(weight, 0)

    np.testing.assert_allclose(qparams.scale, [1 / 49, *weight[1:].max(axis=1) / 127], rtol=1e-6)
    np.testing.assert_allclose(affine.dequantize(affine.quantize(weight, qparams), qparams)[0], exact, rtol=1e-6)


def test_ties_round_to_even_exactly_as_onnx() -> None:
    x = np.arange(-300, 300, 0.5, dtype=np.float32).reshape(1, 1, -1)
    for zero_point in (0, 3, 128):
        qparams = QParams(np.asarray(1, np.float32), np.asarray(zero_point, np.int32), UINT8)
        assert same(affine.quantize(x, qparams), onnx_reference(x, qparams)[0])


@pytest.mark.parametrize("qtype", [INT8, INT7])
def test_per_channel_is_exactly_onnx(qtype: QType) -> None:
    w = noise(4, 8, 32) * np.linspace(0.01, 9, 8, dtype=np.float32)[:, None]
    qparams = affine.choose_weight_qparams(w, 1, qtype)

    q = affine.quantize(w, qparams)

    assert same(q, onnx_reference(w, qparams)[0])
    assert same(affine.dequantize(q, qparams), onnx_reference(w, qparams)[1])
    assert q.max() == qtype.qmax or q.min() == -qtype.qmax


def test_the_comparison_sees_a_wrong_scale_zero_point_and_channel() -> None:
    x = noise(4, 8, 32)
    good = affine.choose_qparams(-4, 4)
    q = affine.quantize(x, good)
    for wrong in (
        QParams(good.scale * np.float32(2), good.zero_point, UINT8),
        QParams(good.scale, good.zero_point + np.int32(1), UINT8),
    ):
        assert not same(q, onnx_reference(x, wrong)[0])
        assert not same(affine.dequantize(q, good), onnx_reference(x, wrong)[1])
    per_channel = affine.choose_weight_qparams(x, 1)
    permuted = QParams(per_channel.scale[::-1].copy(), per_channel.zero_point, INT8, 1)
    assert not same(affine.quantize(x, per_channel), onnx_reference(x, permuted)[0])


def test_int8_weights_never_reach_minus_128() -> None:
    qparams = QParams(np.asarray(1, np.float32), np.asarray(0, np.int32), INT8)
    assert affine.quantize(np.array([-1000, -128, -127, 1000], np.float32), qparams).tolist() == [
        -127,
        -127,
        -127,
        127,
    ]


def test_infinities_saturate_and_nan_is_refused() -> None:
    qparams = affine.choose_qparams(-1e-30, 1e-30)
    assert affine.quantize(np.array([-np.inf, -3e38, 3e38, np.inf], np.float32), qparams).tolist() == [
        0,
        0,
        255,
        255,
    ]
    with pytest.raises(ValueError, match="NaN"):
        affine.quantize(np.array([0, np.nan], np.float32), qparams)


def test_int32_is_refused() -> None:
    with pytest.raises(ValueError, match="not int32"):
        affine.quantize(noise(3), QParams(np.asarray(1, np.float32), np.asarray(0, np.int32), INT32))


@given(floats, floats)
def test_any_range_gives_a_normal_scale_and_an_exact_zero(a: float, b: float) -> None:
    qparams = affine.choose_qparams(min(a, b), max(a, b))

    assert qparams.scale.dtype == np.float32
    assert TINY <= qparams.scale < np.inf
    zero = affine.quantize(np.zeros(3, np.float32), qparams)
    assert (zero == qparams.zero_point).all()
    assert (affine.dequantize(zero, qparams) == 0).all()
    ends = affine.dequantize(np.array([0, 255], np.uint8), qparams)
    assert np.isfinite(ends).all()


@given(floats, floats)
def test_the_range_is_covered_up_to_half_a_step(a: float, b: float) -> None:
    a, b = a / 4, b / 4  # a span beyond float32 saturates, as documented
    qparams = affine.choose_qparams(min(a, b), max(a, b))

    assert covers(qparams, min(a, 0, b), max(a, 0, b))


def test_the_scale_is_rounded_up_because_the_nearest_float_may_not_cover_the_range() -> None:
    low, high = -0.5 * 0.01, 254.5 * 0.01

    nearest = np.float32((high - low) / 255)
    zero_point = np.rint(-low / float(nearest)).astype(np.int32)
    assert not covers(QParams(np.asarray(nearest), zero_point, UINT8), low, high)

    assert covers(affine.choose_qparams(low, high), low, high)


@given(st.floats(0, MAX, width=32), st.floats(0, MAX, width=32))
def test_after_relu_the_zero_point_is_zero(a: float, b: float) -> None:
    assert affine.choose_qparams(min(a, b), max(a, b)).zero_point == 0


@given(ordinary, ordinary, hnp.arrays(np.float32, 50, elements=st.floats(0, 1, width=32)))
def test_inside_the_range_the_error_is_half_a_step_and_order_is_kept(a: float, b: float, t: Array) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    qparams = affine.choose_qparams(low, high)
    bottom, top = qparams.range
    x = np.sort(np.clip(low + t.astype(float) * (high - low), bottom, top).astype(np.float32))

    q = affine.quantize(x, qparams)

    error = np.abs(affine.dequantize(q, qparams).astype(float) - x)
    assert error.max() <= float(qparams.scale) * (0.5 + 1e-4)  # float32 division and product
    assert (np.diff(q.astype(int)) >= 0).all()


@pytest.mark.parametrize("low, high", [(np.nan, 1), (0, np.inf), (-np.inf, 0), (2, 1)])
def test_no_range_is_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="no quantization range"):
        affine.choose_qparams(low, high)


def test_the_empty_range_has_scale_one() -> None:
    assert affine.choose_qparams(0, 0) == QParams(np.asarray(1, np.float32), np.asarray(0, np.int32), UINT8)


def test_weight_scales_are_per_channel_along_any_axis() -> None:
    w = noise(4, 8, 3)
    for axis in (0, 1, -1):
        peaks = np.abs(np.moveaxis(w, axis, 0)).reshape(w.shape[axis], -1).max(1)
        qparams = affine.choose_weight_qparams(w, axis)
        np.testing.assert_allclose(qparams.scale, peaks / 127, rtol=2e-7)
        assert qparams.axis == axis % 3
    assert affine.choose_weight_qparams(w, None).scale.shape == ()


def test_a_channel_of_zeros_gets_its_floor_or_one() -> None:
    w = np.zeros((3, 5), np.float32)
    w[0] = 12.7
    assert affine.choose_weight_qparams(w, 0).scale[1:].tolist() == [1, 1]
    floored = affine.choose_weight_qparams(w, 0, floor=np.array([0.001, 0.25, 0], np.float32))
    np.testing.assert_allclose(floored.scale, [0.1, 0.25, 1], rtol=1e-6)


def test_a_weight_that_is_not_finite_is_refused() -> None:
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="not finite"):
            affine.choose_weight_qparams(np.array([[1, bad]], np.float32), 0)


@given(floats, floats)
def test_the_scale_of_a_bias_is_always_a_normal_float(a: float, b: float) -> None:
    x = affine.choose_qparams(min(a, b), max(a, b))
    w = affine.choose_weight_qparams(np.array([[a], [b], [0]], np.float32), 0)
    with np.errstate(over="ignore"):
        assert (affine.bias_scale(x, w) >= TINY).all()


@given(hnp.arrays(np.float32, 4, elements=ordinary), st.floats(2**-20, 2**10, width=32))
def test_with_its_floor_no_bias_comes_near_int32(bias: Array, x_scale: float) -> None:
    x = QParams(np.asarray(x_scale, np.float32), np.asarray(0, np.int32), UINT8)
    w = affine.choose_weight_qparams(np.full((4, 1), 1e-18, np.float32), 0, floor=affine.bias_floor(bias, x_scale))

    q = affine.quantize_bias(bias, affine.bias_scale(x, w))

    assert np.abs(q.astype(np.int64)).max() <= 2**30
    assert q.dtype == np.int32


def test_without_a_floor_such_a_bias_is_refused_not_clipped() -> None:
    with pytest.raises(ValueError, match=r"bias -5 of channel 1 does not fit int32"):
        affine.quantize_bias(np.array([1, -5], np.float32), np.array([1, 1e-9], np.float32))
    with pytest.raises(ValueError, match="bias nan of channel 0"):
        affine.quantize_bias(np.array([np.nan, 1], np.float32), np.float32(1))


def test_a_bias_is_rounded_half_to_even_in_float64() -> None:
    bias = np.array([0.5, 1.5, -2.5, 2**30 + 0.75], np.float64)
    assert affine.quantize_bias(bias, np.float32(1)).tolist() == [0, 2, -2, 2**30 + 1]
