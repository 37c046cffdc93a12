"""The verdict, and how often it is wrong."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from pyq8.bench.speed import SpeedRow
from pyq8.errors import UsageError
from pyq8.gate.accuracy_demand import choose, estimate, judge_accuracy
from pyq8.gate.demand import Demand, Limits, settle
from pyq8.gate.gate import judge_speed
from pyq8.metrics import METRICS, Metric
from pyq8.types import Array


def top1(both: int, lost: int, won: int, neither: int) -> Metric:
    """Measured on images of two classes, of which so many are right in both models, in FP32 only and so on."""
    before = np.repeat([1, 1, 0, 0], [both, lost, won, neither])
    after = np.repeat([1, 0, 1, 0], [both, lost, won, neither])
    metric = METRICS.get("top1")()
    metric.update(np.eye(2)[before], np.eye(2)[after], [1] * len(before))
    return metric


def demand(metric: Metric, **limits: float | str) -> Demand:
    asked = Limits(**limits)  # type: ignore[arg-type]  # names of its fields
    row = estimate("y", metric, asked.confidence)
    return judge_accuracy(row, metric, asked, "FP32")


def outcome_rates(samples: int, lost: float, won: float, **limits: float | str) -> dict[str, float]:
    """Share of every verdict when images are drawn with these probabilities to be lost and won."""
    drawn = np.random.default_rng(1).multinomial(samples, [lost, won, 0.85 - lost - won, 0.15], 1000)
    kinds, times = np.unique(drawn[:, :2], axis=0, return_counts=True)
    rates: dict[str, float] = dict.fromkeys(("passed", "failed", "inconclusive"), 0.0)
    for (b, c), count in zip(kinds, times, strict=True):
        metric = top1(samples - b - c - samples // 7, b, c, samples // 7)
        rates[demand(metric, **limits).outcome] += int(count) / 1000
    return rates


@pytest.mark.parametrize(("samples", "won"), [(500, 0.0), (1000, 0.005), (2000, 0.005)])
def test_a_drop_of_just_the_limit_rarely_passes_and_rarely_fails(samples: int, won: float) -> None:
    rates = outcome_rates(samples, won + 0.01, won, max_drop=1.0)
    assert rates["passed"] <= 0.05 + 0.014  # two deviations of 1000 draws; exactly in test_interval
    assert rates["failed"] <= 0.05 + 0.014


@pytest.mark.parametrize("differ", [0.0, 0.01, 0.02, 0.04])
def test_no_drop_passes_with_5000_images(differ: float) -> None:
    assert outcome_rates(5000, differ / 2, differ / 2, max_drop=1.0)["passed"] > 0.95


def test_three_times_the_limit_fails_with_5000_images() -> None:
    assert outcome_rates(5000, 0.035, 0.005, max_drop=1.0)["failed"] > 0.99


def test_few_images_are_inconclusive_and_it_says_how_many_would_do() -> None:
    found = demand(top1(95, 2, 1, 2), max_drop=3.0)
    assert found.outcome == "inconclusive"
    needed = int(found.text.split("about ")[1].split()[0])
    share = needed // 100 + 1
    assert demand(top1(95 * share, 2 * share, share, 2 * share), max_drop=3.0).outcome == "passed"


def test_the_criterion_decides_what_fails_and_not_what_passes() -> None:
    slightly = top1(970, 20, 5, 5)  # 1.5 points, bounds about 0.6 and 2.5
    assert demand(slightly, max_drop=1.0).outcome == "inconclusive"
    assert demand(slightly, max_drop=1.0, criterion="estimate").outcome == "failed"
    for criterion in ("bound", "estimate"):
        assert demand(slightly, max_drop=3.0, criterion=criterion).outcome == "passed"
        assert demand(slightly, max_drop=0.2, criterion=criterion).outcome == "failed"


def test_a_minimum_is_met_by_the_lower_bound() -> None:
    assert settle(-30, -28, -26, -25, "bound") == "passed"
    assert settle(-30, -28, -26, -27, "bound") == "inconclusive"
    assert settle(-30, -28, -26, -29, "estimate") == "failed"
    assert settle(-30, -28, -26, -31, "bound") == "failed"


@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_sqnr_is_judged_by_its_bounds(noise: float) -> None:
    rng = np.random.default_rng(0)
    ref = rng.normal(size=(40, 10))
    metric = METRICS.get("sqnr")()
    metric.update(ref, ref + noise * rng.normal(size=ref.shape), [])
    assert demand(metric, minimum=15.0).outcome == ("passed" if noise < 0.1 else "failed")


def test_nan_outputs_fail() -> None:
    ref = np.random.default_rng(0).normal(size=(400, 10))
    for name in ("agreement", "sqnr", "cosine"):
        metric = METRICS.get(name)()
        metric.update(ref, ref * np.nan, [])
        assert demand(metric).outcome == "failed"


@pytest.mark.parametrize(
    "limits",
    [{"max_drop": math.nan}, {"minimum": math.inf}, {"min_speedup": math.nan}, {"min_int8": 1.5},
     {"confidence": 0.5}, {"confidence": 1.0}, {"confidence": math.nan}, {"criterion": "luck"}],
)  # fmt: skip
def test_limits_that_cannot_be_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(limits)).replace("minimum", "min").replace("_", "-")):
        Limits(**limits)  # type: ignore[arg-type]


def test_a_limit_that_does_not_fit_the_metric_is_refused() -> None:
    metric = METRICS.get("cosine")()
    metric.update(np.ones((9, 2)), np.ones((9, 2)), [])
    with pytest.raises(UsageError, match="--max-drop does not fit cosine"):
        demand(metric, max_drop=1.0)
    with pytest.raises(UsageError, match="--min does not fit top1"):
        demand(top1(9, 0, 0, 0), minimum=1.0)
    with pytest.raises(UsageError, match="'top1' needs a first output"):
        choose({("y", "sqnr"): metric}, "top1")


def speed(ratio: float, low: float) -> SpeedRow:
    return cast(SpeedRow, SimpleNamespace(ratio=ratio, ratio_low=low))


@pytest.mark.parametrize(
    ("ratio", "low", "outcome"), [(3, 2.5, "passed"), (3, 1.5, "inconclusive"), (1.5, 1.2, "failed")]
)
def test_a_missed_speed_warns_and_counts_only_if_strict(ratio: float, low: float, outcome: str) -> None:
    demands, warnings = judge_speed(speed(ratio, low), Limits(min_speedup=2.0, strict_speed=True))
    assert [d.outcome for d in demands] == [outcome] and not warnings
    demands, warnings = judge_speed(speed(ratio, low), Limits(min_speedup=2.0))
    assert bool(warnings) == (outcome != "passed") and len(demands) + len(warnings) == 1


def test_a_baseline_takes_the_place_of_fp32() -> None:
    better: Array = top1(950, 0, 0, 50).results
    metric = top1(920, 10, 10, 60)
    row = estimate("y", metric, 0.95, better)
    assert row.reference == 95 and row.lost is not None and row.lost > 0
    assert judge_accuracy(row, metric, Limits(max_drop=0.5), "the baseline").outcome == "failed"
