"""Which trial is best, and which are the front."""

from __future__ import annotations

import json
import math

import pytest

from pyq8.tuning.goal import Goal, Trial, front, thin

FAST = Trial((), 3.0, 1.0)
MIDDLE = Trial(("a",), 1.0, 2.0)
SLOW = Trial(("a", "b"), 0.1, 4.0)
ALL = (FAST, MIDDLE, SLOW)


@pytest.mark.parametrize(
    ("goal", "best"),
    [(Goal(3.0), FAST), (Goal(1.0), MIDDLE), (Goal(0.5), SLOW), (Goal(0.0), SLOW),
     (Goal(None, 9.0), SLOW), (Goal(None, 2.0), MIDDLE), (Goal(None, 0.5), FAST),
     (Goal(3.0, 2.0), FAST), (Goal(1.0, 2.0), MIDDLE), (Goal(0.5, 2.0), SLOW), (Goal(0.0, 9.0), SLOW)],
)  # fmt: skip
def test_accuracy_comes_before_latency_and_the_faster_of_what_meets_both_is_best(goal: Goal, best: Trial) -> None:
    assert goal.best(ALL) is best
    assert goal.best(reversed(ALL)) is best


def test_of_equal_trials_the_first_is_kept() -> None:
    same = Trial(("b",), 1.0, 2.0)
    assert Goal(1.0).best((MIDDLE, same)) is MIDDLE


def test_a_loss_that_is_no_number_is_never_accurate_enough() -> None:
    assert not Goal(1e9).accurate(math.inf)


def test_the_front_leaves_out_what_another_beats_in_both() -> None:
    beaten, equal = Trial(("b",), 1.5, 2.5), Trial(("c",), 1.0, 2.0)
    assert front((SLOW, beaten, MIDDLE, equal, FAST)) == [FAST, MIDDLE, SLOW]
    worst = Trial((), math.inf, 1.0)
    assert front((worst,)) == [worst]


@pytest.mark.parametrize("best", range(20))
def test_a_long_front_is_thinned_but_keeps_its_ends_and_the_best(best: int) -> None:
    trials = [Trial((str(i),), 20.0 - i, float(i)) for i in range(20)]
    found = thin(trials, trials[best], 6)
    assert len(found) in (5, 6) and {trials[0], trials[-1], trials[best]} <= set(found)
    assert found == sorted(found, key=lambda t: t.ms)
    assert thin(found, trials[best], 6) == found


def test_a_trial_survives_json_with_any_loss() -> None:
    for trial in (MIDDLE, Trial((), math.inf, 1.0), Trial(("a",), -math.inf, 1.0)):
        text = json.dumps(trial.to_json(), allow_nan=False)
        assert Trial.from_json(json.loads(text)) == trial
