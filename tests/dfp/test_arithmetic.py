"""Multiply, add and down-convert, against exact rational numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.dfp import DfpTensor, add, down_convert, multiply, quantize
from pyq8.errors import UsageError
from tests.dfp.exact import f32, i16, tensors, two_to, values, worst_error

wide_or_not = tensors() | tensors(np.int32)


@given(tensors(), tensors())
def test_a_product_is_exact(a: DfpTensor, b: DfpTensor) -> None:
    found = multiply(a, b)
    assert found.mantissa.dtype == np.int32
    assert values(found) == [x * y for x, y in zip(values(a), values(b), strict=True)]


@given(wide_or_not, wide_or_not)
def test_a_sum_is_within_a_step_and_never_wraps(a: DfpTensor, b: DfpTensor) -> None:
    found = add(a, b)
    assert found.mantissa.dtype == np.int32
    used = [t.exponent for t in (a, b) if t.peak]
    assert found.exponent >= max(used, default=0)
    one_shifted = found.exponent in used
    wanted = [x + y for x, y in zip(values(a), values(b), strict=True)]
    assert worst_error(found, wanted) <= (0.5 if one_shifted else 1)


@given(tensors(), st.integers(-400, 400))
def test_zeros_change_nothing(a: DfpTensor, exponent: int) -> None:
    zeros = DfpTensor(np.zeros(5, np.int16), exponent)
    assert values(add(a, zeros)) == values(a)
    assert values(add(zeros, a)) == values(a)


@given(wide_or_not, st.integers(2, 15))
def test_down_conversion_is_within_half_a_step_or_a_step_where_it_clamps(tensor: DfpTensor, bits: int) -> None:
    found = down_convert(tensor, bits)
    limit = 2**bits - 1
    assert found.mantissa.dtype == np.int16
    assert found.peak <= limit
    step = two_to(found.exponent)
    for near, exact in zip(values(found), values(tensor), strict=True):
        clamped = abs(exact) > (limit + 0.5) * step
        assert abs(near - exact) <= (step if clamped else step / 2)
    if tensor.peak > limit:
        assert found.peak >= 2 ** (bits - 1), "the largest element must fill the bits"
    else:
        assert values(found) == values(tensor), "what fits is exact"


def test_a_power_of_two_that_does_not_fit_is_shifted_not_clamped() -> None:
    wide = DfpTensor(np.array([2**15, -(2**15)], np.int32), 0)
    assert values(down_convert(wide)) == values(wide)


@pytest.mark.parametrize(
    "integers, wanted", [([3, 1], [2, 0]), ([5, 7], [2, 4]), ([-3, -1], [-2, 0]), ([-5, -7], [-2, -4])]
)
def test_a_shift_rounds_half_to_even_on_both_sides_of_zero(integers: list[int], wanted: list[int]) -> None:
    one = DfpTensor(i16(*integers), 0)
    other = DfpTensor(i16(2**14, 2**14), 1)
    assert (add(one, other).mantissa - 2**14).tolist() == wanted


def test_all_maximum_tensors_do_not_wrap() -> None:
    top = DfpTensor(np.full(4, 32767, np.int16), 3)
    alternating = DfpTensor(i16(*[32767, -32767] * 2), 3)
    assert multiply(top, alternating).mantissa.tolist() == [32767**2, -(32767**2)] * 2
    assert add(top, top).mantissa.tolist() == [65534] * 4
    products = multiply(top, top)
    for _ in range(8):
        before, products = products, add(products, products)
        assert values(products) == [2 * v for v in values(before)]
    widest = DfpTensor(np.full(4, 2**31 - 1, np.int32), 0)
    assert worst_error(add(widest, widest), [2 * v for v in values(widest)]) <= 1


def test_tensors_that_differ_by_two_to_the_60_add_to_the_larger_one() -> None:
    large, small = quantize(f32(2.0**60, -(2.0**60))), quantize(f32(1, 1))
    assert values(add(large, small)) == values(large)
    assert values(add(small, large)) == values(large)


def test_composed_exponents_go_beyond_float32() -> None:
    gradient = quantize(f32(1e-30, -3e-31))
    cube = multiply(down_convert(multiply(gradient, gradient)), gradient)
    assert cube.exponent < -300
    assert np.allclose([float(v) for v in values(cube)], [1e-90, -2.7e-92], rtol=1e-3, atol=0)


def test_products_of_products_are_refused_before_they_wrap() -> None:
    a = DfpTensor(i16(2), 0)
    with pytest.raises(UsageError, match="down_convert first"):
        multiply(multiply(a, a), a)
