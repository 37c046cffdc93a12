"""The interval of a median: its table, and that it covers as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.bench.median import median_interval


@pytest.mark.parametrize(
    ("count", "low", "high", "sure"),
    [(1, 0, 0, 0), (2, 0, 1, 0.5), (5, 0, 4, 0.9375), (6, 0, 5, 0.96875), (8, 0, 7, 0.9922), (9, 1, 7, 0.9609),
     (20, 5, 14, 0.9586)],
)  # fmt: skip
def test_it_lies_between_two_of_the_values(count: int, low: int, high: int, sure: float) -> None:
    values = list(range(count))[::-1]
    found = median_interval(values)
    assert found[:2] == (low, high)
    assert found[2] == pytest.approx(sure, abs=1e-4)


@pytest.mark.parametrize("count", [5, 6, 9, 12])
def test_it_covers_the_median_as_often_as_it_says_for_a_skewed_distribution(count: int) -> None:
    draws = np.random.default_rng(0).exponential(size=(4000, count))
    found = [median_interval(row.tolist()) for row in draws]
    covered = np.mean([low <= np.log(2) <= high for low, high, _ in found])
    assert covered == pytest.approx(found[0][2], abs=0.015)
