"""kl: the divergence against its definition, bin by bin, and what goes wrong in the usual code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pyq8.affine import choose_qparams
from pyq8.calibration.observers import OBSERVERS
from pyq8.calibration.observers.kl import Distribution
from pyq8.types import UINT8, Array
from tests.calibration.observers.stats_of import stats_of


def choose(values: Array) -> tuple[float, float]:
    return OBSERVERS.get("kl").choose(stats_of(values), UINT8)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(300, 900),
    st.floats(0.01, 10.0),
    st.floats(0.0, 400.0),
    st.floats(200.0, 900.0),
)
def test_divergence_is_its_definition(seed: int, bins: int, mean: float, below: float, high: float) -> None:
    counts = np.random.default_rng(seed).poisson(mean, bins)
    assume(counts.any())
    p = counts.astype(np.float64) / counts.sum()
    centres = np.arange(bins, dtype=np.float64) - 199.5
    qparams = choose_qparams(-below, high)
    scale, zero_point = float(qparams.scale), int(qparams.zero_point)
    level = np.clip(np.rint(centres / scale) + zero_point, 0, 255)
    bottom, top = (-zero_point - 0.5) * scale, (255 - zero_point + 0.5) * scale
    beyond = np.maximum(np.maximum(bottom - centres, centres - top), 0) / scale
    q = np.zeros_like(p)
    for k in np.unique(level):
        shape = np.where(level == k, np.exp(-beyond), 0)
        q += p[level == k].sum() * shape / shape.sum()

    found = Distribution(p, centres).divergence(qparams, 1.0)

    assert q.sum() == pytest.approx(1)
    assert np.all(q[p > 0] > 0)
    kl = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)
    assert found == pytest.approx(kl, rel=1e-6, abs=1e-9)


def test_a_few_thousand_values_are_not_clipped_because_bins_are_noisy() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 3000)

    assert choose(values)[1] > 0.97


def test_zeros_of_a_relu_do_not_change_the_range() -> None:
    values = np.abs(np.random.default_rng(0).laplace(0, 1, 20_000))

    assert choose(np.append(values, np.zeros(1_000_000))) == choose(np.append(values, np.zeros(100_000)))


def test_the_farther_the_outliers_the_more_is_kept_of_them() -> None:
    body = np.random.default_rng(0).normal(0, 1, 100_000)

    near = choose(np.append(body, [9.0] * 20))[1]
    atoms = choose(np.append(body, [40.0] * 2000))[1]

    assert near > 7
    assert atoms == pytest.approx(40, rel=0.02)
