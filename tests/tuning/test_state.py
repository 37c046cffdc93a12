"""The state file: what was found comes back, and what was found for something else is refused in one line."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from pyq8.errors import DataError, OutputError
from pyq8.ranking.sensitivity import Sensitivity, SensitivityReport
from pyq8.tuning.goal import Trial
from pyq8.tuning.latency import Costs
from pyq8.tuning.state import State, load_state

KEY = {"model": "abc", "set of search images": "def"}
COSTS = Costs(10.0, 4.0, {"a": 3.5}, {"a": 1.5})
ERRORS = SensitivityReport((Sensitivity("a", ("a", "b"), 0.5, 0.25),), 0.75, ("y",), 8)
STATE = State(KEY, COSTS, ERRORS, (Trial((), math.inf, 4.0), Trial(("a",), 0.1, 5.0)))


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "o.tune.json"
    assert load_state(file, KEY) is None
    for state in (STATE, replace(STATE, errors=None, trials=())):
        state.save(file)
        assert load_state(file, KEY) == state
    assert [path.name for path in tmp_path.iterdir()] == ["o.tune.json"]


@pytest.mark.parametrize("name", KEY)
def test_another_search_is_refused_and_what_differs_is_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / "o.tune.json"
    STATE.save(file)
    with pytest.raises(
        DataError, match=rf"o\.tune\.json: was made with another {name} \(...?, now xyz\); delete it"
    ) as e:
        load_state(file, {**KEY, name: "xyz"})
    assert "\n" not in str(e.value)
    with pytest.raises(DataError, match="another target"):
        load_state(file, {**KEY, "target": "avx2"})


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"kind": "pyq8 check", "schema": 1}', json.dumps({"kind": "pyq8 tune state"}),
             json.dumps({"kind": "pyq8 tune state", "schema": 2})],
)  # fmt: skip
def test_a_file_that_is_no_state_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "o.tune.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"no state of this version.*delete it") as error:
        load_state(file, KEY)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        STATE.save(tmp_path / "no" / "o.tune.json")
