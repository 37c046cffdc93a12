"""Estimates add up the measured differences and the conversions around FP32 nodes; caps in ms or times FP32."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from pyq8.errors import UsageError
from pyq8.groundwork import Groundwork
from pyq8.plan.groups import find_groups
from pyq8.ranking.sensitivity import Sensitivity, SensitivityReport
from pyq8.tuning import ranking
from pyq8.tuning.latency import Costs, Latency, find_cap
from pyq8.tuning.ranking import measure_costs, rank


def latency(base: Groundwork, more_us: float = 100.0) -> Latency:
    groups = find_groups(base.prepared, base.plan)
    names = [group.name for group in groups]
    costs = Costs(10.0, 4.0, dict.fromkeys(names, 50 + more_us), dict.fromkeys(names, 50.0))
    return Latency(base.prepared, base.plan, groups, costs)


def test_all_in_int8_takes_what_was_measured(base: Groundwork) -> None:
    assert latency(base)(frozenset()) == 4.0


def test_a_group_in_fp32_takes_its_difference_and_conversions_longer(base: Groundwork) -> None:
    with_times, conversions = (latency(base, us)(frozenset({"project1"})) - 4.0 for us in (100.0, 0.0))
    assert with_times == pytest.approx(0.1 + conversions)
    assert conversions > 0


def test_neighbours_in_fp32_need_no_conversion_between_them(base: Groundwork) -> None:
    ms = latency(base, 0.0)
    apart = sum(ms(frozenset({name})) - 4.0 for name in ("depthwise1", "project1"))
    assert 0 < ms(frozenset({"depthwise1", "project1"})) - 4.0 < apart


def test_all_in_fp32_converts_nothing(base: Groundwork) -> None:
    names = frozenset(group.name for group in find_groups(base.prepared, base.plan))
    assert latency(base, 0.0)(names) < 4.0


def test_what_was_not_timed_counts_only_its_conversions(base: Groundwork) -> None:
    groups = find_groups(base.prepared, base.plan)
    untimed = Latency(base.prepared, base.plan, groups, Costs(10.0, 4.0, {"project1": 9.0}, {}))
    assert untimed(frozenset({"project1"})) == latency(base, 0.0)(frozenset({"project1"}))


@pytest.mark.parametrize(("text", "ms"), [("3.5", 3.5), (3.5, 3.5), ("3.5ms", 3.5), ("0.6x", 6.0), (" 2 ms", 2.0)])
def test_a_cap_is_in_ms_or_times_fp32(text: str | float, ms: float) -> None:
    assert find_cap(text, 10.0) == pytest.approx(ms)


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "nan", "inf", "x", "0x"])
def test_what_is_no_latency_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-latency .* give milliseconds"):
        find_cap(text, 10.0)


def test_groups_rank_by_their_error_for_their_time(base: Groundwork) -> None:
    groups = find_groups(base.prepared, base.plan)
    errors = {"stem": 4.0, "expand0": 1.0, "project3": float("nan")}
    report = SensitivityReport(
        tuple(Sensitivity(group.name, group.nodes, errors.get(group.name, 0.0), 0.0) for group in groups),
        1.0,
        ("y",),
        8,
    )

    def ms(floats: frozenset[str]) -> float:
        return 1.0 + ("stem" in floats) + 0.1 * ("expand0" in floats)

    assert rank(report, groups, ms)[:3] == ["project3", "expand0", "stem"]
    assert rank(report, groups, ms)[3:] == [g.name for g in groups if g.name not in errors]


def test_what_is_measured_here_is_of_the_model_and_of_every_group(
    base: Groundwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "SECONDS", 0.0)
    groups = find_groups(base.prepared, base.plan)

    costs = measure_costs(base, groups, None)

    assert costs.fp32_ms > 0 and costs.int8_ms > 0
    assert set(costs.fp32_us) == set(costs.int8_us) == {group.name for group in groups}
    assert Costs.from_json(json.loads(json.dumps(asdict(costs)))) == costs
