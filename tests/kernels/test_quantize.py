from __future__ import annotations

import math

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.errors import DataError, UsageError

ISAS = (*kernels.isas(), "reference")


@pytest.fixture(params=ISAS, autouse=True)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYQ8_ISA", request.param)
    return str(request.param)


def test_halves_round_to_even() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.4999998, 3.5000002], np.float32)
    assert kernels.quantize(x, 0, 15).tolist() == [0, 2, 2, 0, -2, -2, 2, 4]


@pytest.mark.parametrize("bits", [1, 7, 13, 15])
def test_the_largest_magnitude_is_symmetric(bits: int) -> None:
    x = np.array([1e9, -1e9, 2.0**bits, -(2.0**bits) + 0.4, 3e38, -3e38], np.float32)
    limit = 2**bits - 1
    assert kernels.quantize(x, 0, bits).tolist() == [limit, -limit, limit, -limit, limit, -limit]


@pytest.mark.parametrize("exponent", [-149, -140, -126, -30, 0, 12, 100, 113, 127])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 70_000])
def test_equals_the_definition(exponent: int, size: int) -> None:
    rng = np.random.default_rng(size)
    with np.errstate(over="ignore", under="ignore"):
        x = np.ldexp(rng.normal(scale=3000, size=size), exponent).astype(np.float32)
    x = np.nan_to_num(x, posinf=3e38, neginf=-3e38)
    expected = [max(-8191, min(8191, round(math.ldexp(float(v), -exponent)))) for v in x]
    assert kernels.quantize(x, exponent, 13).tolist() == expected


def test_out_keeps_the_shape() -> None:
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    out = np.empty((2, 3, 4), np.int16)
    assert kernels.quantize(x, 1, 15, out=out) is out
    assert np.array_equal(out, np.rint(x / 2))


@pytest.mark.parametrize("size", [1, 15, 1000, 200_001])
def test_the_largest_magnitude_is_found_wherever_it_is(size: int) -> None:
    for place in {0, size // 2, size - 1}:
        x = np.random.default_rng(0).normal(size=size).astype(np.float32)
        x[place] = -9
        assert kernels.absmax(x) == 9


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_missed(value: float) -> None:
    x = np.zeros(100, np.float32)
    x[70] = value
    found = kernels.absmax(x)
    assert np.isnan(found) if np.isnan(value) else found == np.inf


@pytest.mark.parametrize("guess", [None, -12, -3, 0, 40])
def test_a_guess_changes_no_result(guess: int | None) -> None:
    x = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    x[12_345] = 9.5
    mantissas, exponent = kernels.quantize_tensor(x, 13, guess=guess)
    assert exponent == 4 - 13
    assert np.array_equal(mantissas, kernels.quantize(x, exponent, 13))
    assert mantissas.max() == 9.5 * 2**9


@pytest.mark.parametrize("guess", [None, 0])
def test_zeros_have_exponent_0(guess: int | None) -> None:
    mantissas, exponent = kernels.quantize_tensor(np.zeros((3, 2), np.float32), 15, guess=guess)
    assert exponent == 0 and mantissas.tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("guess", [None, -10])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float, guess: int | None) -> None:
    x = np.ones(100, np.float32)
    x[70] = value
    with pytest.raises(DataError, match="NaN or infinity"):
        kernels.quantize_tensor(x, 13, guess=guess)


def test_nothing_has_no_magnitude() -> None:
    assert kernels.absmax(np.zeros((0, 3), np.float32)) == 0
    assert kernels.absmax(np.array([-1e-45], np.float32)) == np.float32(1e-45)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(UsageError, match="16 magnitude bits"):
        kernels.quantize(np.zeros(3, np.float32), 0, 16)
    with pytest.raises(DataError, match="x is float64"):
        kernels.quantize(np.zeros(3), 0, 8)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="not C-contiguous"):
        kernels.absmax(np.zeros((4, 4), np.float32).T[1:])
