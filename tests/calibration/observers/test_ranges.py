"""What every observer promises, whatever the values: a finite range inside [min, max]."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.affine import choose_qparams
from pyq8.calibration.observers import OBSERVERS
from pyq8.types import INT8, UINT8, Array
from tests.calibration.observers.stats_of import stats_of

MAX = float(np.finfo(np.float32).max)
NAMES = sorted(OBSERVERS)
RNG = np.random.default_rng(0)
MILLION = np.abs(RNG.standard_normal(1_000_000, np.float32))
CASES = {
    "zeros": np.zeros(100),
    "equal": np.full(100, 3.7),
    "equal and negative": np.full(100, -3.7),
    "one value": [0.3],
    "one value, 0": [0.0],
    "one outlier in a million": np.append(MILLION, 1e4),
    "one negative outlier in a million": np.append(MILLION, -1e4),
    "all negative": -MILLION[:1000] - 1,
    "all positive": MILLION[:1000] + 1,
    "denormal": MILLION[:1000] * np.float32(1e-40),
    "denormal, both signs": (MILLION[:1000] - 1) * np.float32(1e-42),
    "tiny": (MILLION[:1000] - 1) * np.float32(1e-30),
    "huge": (MILLION[:1000] - 1) * np.float32(1e30),
    "largest floats": [-MAX, MAX, 1.0],
    "two values far apart": [1e-38, 1e38],
    "zeros and one other": [0.0] * 1000 + [5.0],
    "two atoms": [0.0] * 1000 + [6.0] * 1000,
}


def check(name: str, values: Array | list[float]) -> tuple[float, float]:
    stats = stats_of(values)
    low, high = OBSERVERS.get(name).choose(stats, UINT8)
    assert math.isfinite(low) and math.isfinite(high)
    assert stats.min <= low <= high <= stats.max
    assert math.isfinite(float(choose_qparams(low, high).scale))
    return low, high


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_odd_values(name: str, case: str) -> None:
    check(name, CASES[case])


@pytest.mark.parametrize("name", NAMES)
@given(values=st.lists(st.floats(-MAX, MAX, width=32), min_size=1, max_size=30))
def test_any_values(name: str, values: list[float]) -> None:
    check(name, values)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [3.7, -3.7, 1e-30, 1e30])
def test_a_single_value_is_never_clipped(name: str, value: float) -> None:
    low, high = check(name, [value])

    assert low == high == np.float32(value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shift", [-60, 60])
def test_the_unit_of_the_values_does_not_matter(name: str, shift: int) -> None:
    values = np.random.default_rng(1).standard_t(3, 20_000).astype(np.float32)

    low, high = check(name, values)

    assert check(name, np.ldexp(values, shift)) == (math.ldexp(low, shift), math.ldexp(high, shift))


@pytest.mark.parametrize("name", NAMES)
def test_turning_the_sign_turns_the_range(name: str) -> None:
    values = np.random.default_rng(2).lognormal(0, 1, 20_000).astype(np.float32)

    low, high = check(name, values)
    turned = check(name, -values)

    assert turned == pytest.approx((-high, -low), rel=0.02)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"minmax"}))
def test_one_outlier_in_a_million_is_clipped(name: str) -> None:
    _, high = check(name, np.append(MILLION, 100))

    assert MILLION.max() * 0.8 < high < 80


@pytest.mark.parametrize("name", NAMES)
def test_relu6_keeps_its_six(name: str) -> None:
    values = np.clip(np.random.default_rng(3).normal(0, 4, 100_000), 0, 6)

    assert check(name, values)[1] == pytest.approx(6, rel=0.01)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"minmax"}))
def test_a_signed_type_works_too(name: str) -> None:
    stats = stats_of(np.random.default_rng(4).standard_t(3, 10_000))

    low, high = OBSERVERS.get(name).choose(stats, INT8)

    assert stats.min <= low < 0 < high <= stats.max
