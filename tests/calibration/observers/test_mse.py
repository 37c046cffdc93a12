"""mse: measured on the values themselves, not on the histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.affine import choose_qparams, dequantize, quantize
from pyq8.calibration.observers import OBSERVERS
from pyq8.types import UINT8, Array
from tests.calibration.observers.stats_of import stats_of

HEAVY = {
    "laplace": lambda rng: rng.laplace(0, 1, 50_000),
    "student": lambda rng: rng.standard_t(3, 50_000),
    "lognormal": lambda rng: rng.lognormal(0, 1.2, 50_000),
    "relu of student": lambda rng: np.maximum(rng.standard_t(3, 50_000), 0),
}


def squared_error(values: Array, name: str) -> float:
    low, high = OBSERVERS.get(name).choose(stats_of(values), UINT8)
    qparams = choose_qparams(low, high)
    back = dequantize(quantize(values, qparams), qparams)
    return float(np.sum((back.astype(np.float64) - values) ** 2))


@pytest.mark.parametrize("family", HEAVY)
@given(seed=st.integers(0, 2**32 - 1))
def test_heavy_tails_lose_less_than_with_the_whole_range(family: str, seed: int) -> None:
    values = HEAVY[family](np.random.default_rng(seed)).astype(np.float32)

    assert squared_error(values, "mse") <= squared_error(values, "minmax")


def test_one_outlier_costs_far_less_than_with_the_whole_range() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 1_000_000), 80).astype(np.float32)

    assert squared_error(values, "mse") < 0.7 * squared_error(values, "minmax")


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e25])
def test_light_tails_stay_whole(scale: float) -> None:
    values = (np.random.default_rng(0).uniform(-1, 1, 50_000) * scale).astype(np.float32)

    low, high = OBSERVERS.get("mse").choose(stats_of(values), UINT8)

    assert (low, high) == pytest.approx((-scale, scale), rel=0.02)
