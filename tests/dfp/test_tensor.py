"""Conversion to dynamic fixed point and back, against exact rational numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.dfp import DfpTensor, dequantize, quantize
from pyq8.errors import DataError, UsageError
from pyq8.types import Array
from tests.dfp.exact import f32, floats, i16, tensors, two_to, values

any_float = floats(32) | floats(64)
any_bits = st.integers(2, 15)


def check_bound(x: Array, bits: int) -> DfpTensor:
    """The documented bound, element by element."""
    found = quantize(x, bits)
    step, limit = two_to(found.exponent), 2**bits - 1
    assert found.mantissa.dtype == np.int16
    assert found.peak <= limit
    for exact, near in zip(values(x), values(found), strict=True):
        clamped = abs(exact) > (limit + Fraction(1, 2)) * step
        assert abs(near - exact) <= (step if clamped else step / 2)
        assert near * exact >= 0, "the sign changed"
    return found


@given(any_float, any_bits)
def test_every_element_is_within_the_bound(x: Array, bits: int) -> None:
    found = check_bound(x, bits)
    if np.any(x):
        assert found.peak >= 2 ** (bits - 1), "the largest element must fill the bits"


@given(any_float, any_bits)
def test_elements_are_rounded_half_to_even(x: Array, bits: int) -> None:
    found = quantize(x, bits)
    limit = 2**bits - 1
    wanted = [max(-limit, min(limit, round(v / two_to(found.exponent)))) for v in values(x)]
    assert found.mantissa.ravel().tolist() == wanted


@given(any_float, any_bits)
def test_back_in_float_nothing_is_lost_and_again_in_fixed_point_nothing_changes(x: Array, bits: int) -> None:
    found = quantize(x, bits)
    back = dequantize(found, x.dtype)
    assert back.dtype == x.dtype
    assert values(back) == values(found)
    again = quantize(back, bits)
    assert again.exponent == found.exponent
    assert np.array_equal(again.mantissa, found.mantissa)


@pytest.mark.parametrize(
    "x",
    [
        np.full((4, 8), np.finfo(np.float32).max, np.float32),
        np.float32(np.finfo(np.float32).max) * f32(*[1, -1] * 16),
        f32(*[0] * 99, -3e38),
        f32(2.0**60, 1, -(2.0**-60)),
        np.full(7, 1e-30, np.float32),
        f32(1e-45, -3e-45),
        np.array([1e300, -1e-300]),
        np.array([5e-324, 1e-310]),
    ],
    ids="largest alternating outlier far-apart gradients denormal beyond-float32 denormal-float64".split(),
)
def test_hard_tensors_neither_wrap_nor_leave_the_bound(x: Array) -> None:
    check_bound(x, 15)


def test_just_below_a_power_of_two_is_clamped_and_does_not_wrap() -> None:
    found = quantize(f32(np.nextafter(np.float32(1), np.float32(0)), -1 + 2.0**-20))
    assert found.mantissa.tolist() == [32767, -32767]


def test_halves_go_to_the_even_neighbour() -> None:
    assert quantize(f32(8, 0.5, 1.5, 2.5, -0.5, -1.5), bits=4).mantissa.tolist() == [8, 0, 2, 2, 0, -2]


def test_a_known_tensor() -> None:
    found = quantize(f32(1.0, -0.25, 3.0), bits=4)
    assert (found.exponent, found.mantissa.tolist()) == (-2, [4, -1, 12])


@pytest.mark.parametrize("shape", [(3, 2), (0,), ()])
def test_zeros_stay_zeros(shape: tuple[int, ...]) -> None:
    found = quantize(np.zeros(shape, np.float32))
    back = dequantize(found)
    assert found.exponent == 0
    assert back.shape == shape
    assert not back.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="NaN or infinity"):
        quantize(f32(1, bad, 2))


@pytest.mark.parametrize("bits", [1, 16])
def test_widths_that_int16_has_not_are_refused(bits: int) -> None:
    with pytest.raises(UsageError, match=f"{bits} magnitude bits"):
        quantize(np.ones(3, np.float32), bits)


def test_integers_are_refused() -> None:
    with pytest.raises(DataError, match="int64"):
        quantize(np.arange(3))


@given(tensors() | tensors(np.int32))
def test_float64_holds_every_tensor(tensor: DfpTensor) -> None:
    assert values(dequantize(tensor, np.float64)) == values(tensor)


@given(tensors() | tensors(np.int32))
def test_float32_gets_the_nearest_number_or_an_error(tensor: DfpTensor) -> None:
    largest = Fraction(float(np.finfo(np.float32).max))
    try:
        found = dequantize(tensor)
    except DataError as error:
        assert tensor.peak * two_to(tensor.exponent) > largest
        assert f"2^{tensor.exponent}" in str(error)
    else:
        for near, exact in zip(values(found), values(tensor), strict=True):
            assert abs(near - exact) <= max(abs(exact) * two_to(-24), two_to(-150))


@pytest.mark.parametrize("exponent, wanted", [(-(10**12), 0.0), (10**12, None)])
def test_exponents_beyond_any_float_are_zero_or_refused(exponent: int, wanted: float | None) -> None:
    tensor = DfpTensor(i16(7), exponent)
    if wanted is None:
        with pytest.raises(DataError, match="beyond float64"):
            dequantize(tensor, np.float64)
    else:
        assert dequantize(tensor, np.float64) == [wanted]
