"""The search on made-up losses and latencies: it meets the limit when that can be met, with no group too many."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.tuning.goal import Estimate, Floats, Goal, Trial
from pyq8.tuning.search import search

Loss = Callable[[Floats], float]


def drive(ranking: Sequence[str], goal: Goal, loss: Loss, ms: Estimate) -> list[Trial]:
    """The trials, in order, each once."""
    trials: dict[Floats, Trial] = {}
    asking = search(lambda: ranking, goal, ms)
    try:
        ask = next(asking)
        while True:
            assert ask.left > 0
            if ask.floats not in trials:
                trials[ask.floats] = Trial(tuple(sorted(ask.floats)), loss(ask.floats), ms(ask.floats))
            ask = asking.send(trials[ask.floats].loss)
    except StopIteration:
        return list(trials.values())


def names(count: int) -> list[str]:
    return [f"g{i:02}" for i in range(count)]


def additive(noise: dict[str, float]) -> Loss:
    """Every group in INT8 adds its own, so that all in FP32 lose nothing."""
    return lambda floats: math.fsum(value for name, value in noise.items() if name not in floats)


def costs(groups: Sequence[str]) -> Estimate:
    """The n-th group costs n us more in FP32."""
    us = {name: i + 1 for i, name in enumerate(sorted(groups))}
    return lambda floats: 1.0 + sum(us[name] for name in floats) / 1e3


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[str], Loss, float]:
    """A ranking that need not be right, losses that need not fall with every group, and a limit."""
    groups = draw(st.permutations(names(draw(st.integers(1, 12)))))
    noise = {name: draw(st.integers(0, 100)) / 10 for name in groups}
    seed, amount = draw(st.integers(0, 99)), draw(st.sampled_from([0.0, 0.0, 2.0]))
    steady = additive(noise)

    def loss(floats: Floats) -> float:
        if len(floats) == len(groups):
            return 0.0
        return steady(floats) + amount * random.Random(f"{seed} {sorted(floats)}").uniform(-1, 1)

    return list(groups), loss, draw(st.integers(0, 300)) / 10


@given(cases())
def test_the_limit_is_met_and_every_group_in_fp32_is_needed_for_it(case: tuple[list[str], Loss, float]) -> None:
    ranking, loss, limit = case
    goal, ms = Goal(limit), costs(ranking)

    best = goal.best(drive(ranking, goal, loss, ms))

    assert best.loss <= limit
    assert best.ms <= ms(frozenset(ranking))
    for name in best.floats:
        assert loss(frozenset(best.floats) - {name}) > limit


@given(cases(), st.integers(0, 90))
def test_where_only_a_latency_is_demanded_it_is_kept_and_nothing_within_it_that_was_tried_is_better(
    case: tuple[list[str], Loss, float], us: int
) -> None:
    ranking, loss, _ = case
    goal, ms = Goal(None, 1 + us / 1e3), costs(ranking)

    trials = drive(ranking, goal, loss, ms)
    best = goal.best(trials)

    assert goal.cap is not None and best.ms <= goal.cap
    assert best.loss == min(t.loss for t in trials if t.ms <= goal.cap)
    assert best.loss <= loss(frozenset())


@given(cases(), st.integers(0, 90))
def test_of_both_demands_the_loss_comes_first(case: tuple[list[str], Loss, float], us: int) -> None:
    ranking, loss, limit = case
    goal, ms = Goal(limit, 1 + us / 1e3), costs(ranking)

    best = goal.best(drive(ranking, goal, loss, ms))

    assert best.loss <= limit
    everything = frozenset(ranking)
    assert goal.fast(best.ms) or not (goal.fast(ms(everything)) and goal.accurate(loss(everything)))


def test_a_model_that_is_good_enough_in_int8_is_not_even_ranked() -> None:
    def ranking() -> list[str]:
        raise AssertionError("ranked")

    asking = search(ranking, Goal(1.0), costs(names(3)))
    assert next(asking).floats == frozenset()
    with pytest.raises(StopIteration):
        asking.send(1.0)


def test_three_bad_groups_of_fifty_are_found_in_a_few_trials_with_a_good_ranking() -> None:
    groups = names(50)
    noise = {name: 5.0 if name in ("g20", "g33", "g47") else 0.001 for name in groups}
    ranking = sorted(groups, key=lambda name: -noise[name])

    trials = drive(ranking, Goal(0.2), additive(noise), costs(groups))

    assert Goal(0.2).best(trials).floats == ("g20", "g33", "g47")
    assert len(trials) <= 7


def test_useless_groups_that_rank_high_go_back_in_strides() -> None:
    groups = names(40)
    noise = {name: 5.0 if name == "g39" else 0.0 for name in groups}

    trials = drive(groups, Goal(0.2), additive(noise), costs(groups))  # ranked last

    assert Goal(0.2).best(trials).floats == ("g39",)
    assert len(trials) <= 25


def test_a_group_that_is_slower_in_int8_where_its_neighbours_are_fp32_stays_with_them() -> None:
    def ms(floats: Floats) -> float:
        return 1.0 + 0.01 * len(floats) + 0.5 * (floats == frozenset({"a", "c"}))  # conversions around b

    noise = {"a": 1.0, "b": 0.1, "c": 1.0}
    trials = drive(["a", "b", "c"], Goal(0.2), additive(noise), ms)

    assert Goal(0.2).best(trials).floats == ("a", "b", "c")
    assert ("a", "c") not in [t.floats for t in trials]


def test_time_that_is_allowed_is_given_to_the_most_useful_groups_that_fit() -> None:
    groups = names(6)
    noise = dict(zip(groups, (1.0, 5.0, 2.0, 4.0, 0.5, 3.0), strict=True))
    ranking = sorted(groups, key=lambda name: -noise[name])
    goal = Goal(None, 1 + 9e-3)  # 2, 4 and 3 us; then neither 6 us nor 5 us fit, 1 us would not either

    trials = drive(ranking, goal, additive(noise), costs(groups))

    assert goal.best(trials).floats == ("g01", "g02", "g03")
    assert all(goal.fast(t.ms) for t in trials)


def test_what_cannot_be_met_ends_with_all_tried_in_fp32() -> None:
    groups = names(4)
    trials = drive(groups, Goal(-1.0), additive(dict.fromkeys(groups, 1.0)), costs(groups))

    best = Goal(-1.0).best(trials)
    assert (best.floats, best.loss) == (tuple(groups), 0.0)


def test_a_cap_below_int8_itself_is_answered_with_the_fastest() -> None:
    groups = names(4)
    goal = Goal(None, 0.5)
    assert goal.best(drive(groups, goal, additive(dict.fromkeys(groups, 1.0)), costs(groups))).floats == ()
