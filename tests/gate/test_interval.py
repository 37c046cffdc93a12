"""The interval of a paired drop: its error rates, exactly, and what it says of simple cases."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.gate.interval import images_needed, paired_drop, refuted
from pyq8.types import Array


def outcomes(samples: int, drop: float, won: float) -> tuple[Array, Array, Array]:
    """Counts (lost, won) that can happen and their probabilities; what is left out is below 1e-8."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, samples + 1)))])
    ranges = [
        np.arange(max(0, int(samples * p - 6 * (samples * p) ** 0.5 - 8)),
                  min(samples, int(samples * p + 6 * (samples * p) ** 0.5 + 12)) + 1)
        for p in (drop + won, won)
    ]  # fmt: skip
    b, c = (grid.ravel() for grid in np.meshgrid(*ranges, indexing="ij"))
    b, c = b[b + c <= samples], c[b + c <= samples]
    rest = samples - b - c
    with np.errstate(divide="ignore", invalid="ignore"):
        log = log_factorial[samples] - log_factorial[b] - log_factorial[c] - log_factorial[rest]
        log += b * np.log(drop + won) + np.where(c > 0, c * np.log(won), 0) + rest * np.log(1 - drop - 2 * won)
    return b, c, np.exp(log)


def error_rates(samples: int, drop: float, won: float, confidence: float) -> tuple[float, float]:
    """How often the upper bound is at or below the true drop, and how often the lower bound is above it."""
    b, c, chance = outcomes(samples, drop, won)
    below, above = refuted(drop, b, c, samples, confidence), refuted(-drop, c, b, samples, confidence)
    assert chance.sum() == pytest.approx(1, abs=1e-6)
    return float(chance[below].sum()), float(chance[above].sum())


DROPS = [0.001, 0.0025, 0.005, 0.01, 0.0123, 0.03, 0.1]
WON = [0, 0.0003, 0.001, 0.005, 0.02, 0.1]


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("samples", [20, 50, 100, 300, 1000, 5000])
def test_neither_bound_errs_more_often_than_it_may(samples: int, confidence: float) -> None:
    for drop in DROPS:
        for won in WON:
            if samples * (drop + won) < 800:
                assert max(error_rates(samples, drop, won, confidence)) <= 1 - confidence + 1e-6


def test_with_many_images_both_bounds_err_as_often_as_they_may() -> None:
    for drop, won in ((0.01, 0.01), (0.005, 0.02)):
        for rate in error_rates(20_000, drop, won, 0.95):
            assert 0.045 < rate <= 0.05


def test_the_bounds_are_where_the_drop_is_refuted() -> None:
    for lost, won, samples in ((3, 1, 300), (40, 25, 5000), (0, 2, 50), (9, 0, 10)):
        found = paired_drop(lost, won, samples, 0.95)
        assert refuted(found.high + 1e-6, lost, won, samples, 0.95)
        assert not refuted(found.high - 1e-6, lost, won, samples, 0.95)
        assert found.low < (lost - won) / samples < found.high


def test_exchanging_the_models_mirrors_the_interval() -> None:
    found, mirrored = paired_drop(7, 2, 400, 0.95), paired_drop(2, 7, 400, 0.95)
    assert (found.low, found.high) == pytest.approx((-mirrored.high, -mirrored.low))


def test_where_no_image_differs_it_is_the_rule_of_three() -> None:
    found = paired_drop(0, 0, 300, 0.95)
    assert found.high == pytest.approx(1 - 0.05 ** (1 / 300)) == -found.low
    assert found.high == pytest.approx(3 / 300, rel=0.01)


def test_the_bound_for_no_differing_image_errs_no_more_often_either() -> None:
    limit = paired_drop(0, 0, 300, 0.95).high
    for won in (0, 1e-4, 1e-3):
        b, c, chance = outcomes(300, limit, won)
        within = [paired_drop(x, y, 300, 0.95).high <= limit for x, y in zip(b, c, strict=True)]
        assert chance[np.array(within)].sum() <= 0.05 + 1e-9


def test_more_images_and_less_confidence_narrow_it() -> None:
    wide = paired_drop(6, 4, 500, 0.95)
    assert paired_drop(12, 8, 1000, 0.95).high < wide.high
    assert paired_drop(6, 4, 500, 0.8).high < wide.high
    assert paired_drop(6, 4, 500, 0.99).low < wide.low


def test_as_many_images_as_it_says_would_do() -> None:
    for lost, won, samples, limit in ((3, 1, 300, 0.01), (0, 0, 20, 0.01), (9, 1, 200, 0.02)):
        needed = images_needed(lost, won, samples, limit, 0.95)
        assert needed is not None and needed > samples
        for count, tells in ((needed, True), (needed * 0.9, False)):
            found = paired_drop(lost * count / samples, won * count / samples, count, 0.95)
            assert (found.high <= limit or found.low > limit) == tells


def test_no_number_of_images_tells_a_drop_of_just_the_limit() -> None:
    assert images_needed(3, 0, 300, 0.01, 0.95) is None
    assert images_needed(0, 0, 300, 0.0, 0.95) is None
