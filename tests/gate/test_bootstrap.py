"""The bootstrap: it covers, repeats itself, and admits what it cannot know."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pyq8.gate.bootstrap import FEWEST, bootstrap
from pyq8.gate.interval import Interval
from pyq8.types import Array


def mean_of(values: Array, draws: int = 2000, seed: int = 0) -> Interval:
    return bootstrap(lambda counts: counts @ values / counts.sum(axis=1), len(values), 0.95, draws=draws, seed=seed)


def test_both_bounds_of_a_mean_and_of_a_ratio_cover_as_often_as_they_should() -> None:
    rng = np.random.default_rng(0)
    runs, held = 300, np.zeros(4)
    for run in range(runs):
        signal, noise = rng.gamma(4, 1, 120), rng.gamma(2, 0.01, 120)

        def ratio(counts: Array, signal: Array = signal, noise: Array = noise) -> Array:
            return np.asarray(np.log10((counts @ signal) / (counts @ noise)))

        mean, quotient = mean_of(noise, draws=400, seed=run), bootstrap(ratio, 120, 0.95, draws=400, seed=run)
        held += [mean.low <= 0.02, mean.high >= 0.02, quotient.low <= math.log10(200), quotient.high >= math.log10(200)]
    assert all(0.91 < share < 0.98 for share in held / runs)


def test_the_same_seed_gives_the_same_bounds() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert mean_of(values) == mean_of(values)
    assert mean_of(values) != mean_of(values, seed=1)


def test_it_is_about_the_normal_interval_for_many_images() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    found = mean_of(values)
    assert found.high - values.mean() == pytest.approx(1.645 * values.std() / 1000**0.5, rel=0.1)


def test_a_few_images_tell_nothing() -> None:
    assert mean_of(np.ones(FEWEST - 1)) == Interval(-math.inf, math.inf)


def test_what_never_varies_is_certain_even_if_infinite() -> None:
    assert mean_of(np.ones(20)) == Interval(1, 1)
    assert bootstrap(lambda counts: np.full(len(counts), np.inf), 20, 0.95) == Interval(math.inf, math.inf)


def test_scores_that_are_sometimes_infinite_keep_a_finite_bound() -> None:
    noise = np.zeros(40)
    noise[:4] = 1.0

    def score(counts: Array) -> Array:
        with np.errstate(divide="ignore"):
            return -np.log10(counts @ noise)

    found = bootstrap(score, 40, 0.95)
    assert math.isfinite(found.low) and found.low < found.high


def test_draws_with_nothing_to_score_do_not_count_and_too_many_of_them_tell_nothing() -> None:
    def score(counts: Array, rare: int) -> Array:
        return np.where(counts[:, :rare].sum(axis=1) > 0, counts[:, 0], np.nan)

    assert math.isfinite(bootstrap(lambda counts: score(counts, 3), 40, 0.95).high)
    assert bootstrap(lambda counts: score(counts, 0), 40, 0.95) == Interval(-math.inf, math.inf)
