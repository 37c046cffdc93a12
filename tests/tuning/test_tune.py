"""`tune` on a network that INT8 does not fit: channels of depthwise layers spread over 1000x, 0.2 points allowed."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pyq8
from pyq8.errors import DataError, UsageError
from pyq8.groundwork import Clock, lay_groundwork
from pyq8.loaders import Images
from pyq8.model.file import load
from pyq8.model.intake import input_specs
from pyq8.model.provenance import remembered_reasons
from pyq8.plan.groups import find_groups
from pyq8.tuning.corrections import Corrections
from pyq8.tuning.exam import Exam
from pyq8.tuning.notebook import Step
from pyq8.tuning.result import Tuning
from pyq8.tuning.tape import Tape
from pyq8.types import Config
from tests.tuning.fixed_times import fix
from tests.tuning.spread_net import SpreadNet, write

BAD = {"depthwise2", "project2"}
"""Of the small network: who writes the tensor, and who reads it."""


@pytest.fixture(autouse=True)
def _fixed_times(monkeypatch: pytest.MonkeyPatch) -> None:
    fix(monkeypatch.setattr)


@pytest.fixture(scope="module")
def tuned(small: SpreadNet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuning, Path]:
    """The small network within half a point, and where it was written."""
    out = tmp_path_factory.mktemp("tuned") / "o.onnx"
    with pytest.MonkeyPatch.context() as patch:
        fix(patch.setattr)
        return tune(small, out, max_drop=0.5), out


def tune(net: SpreadNet, out: Path, steps: list[Step] | None = None, **options: object) -> Tuning:
    watch = steps.append if steps is not None else None
    options = {"effort": "fast", **options}
    return pyq8.tune(net.model, net.calib, net.data, out, watch=watch, **options)  # type: ignore[arg-type]


def test_it_reaches_the_limit_in_a_third_of_the_evaluations_and_leaves_int8_what_can_be(tmp_path: Path) -> None:
    net = write(tmp_path, blocks=12, spread=(8, 10), images=500)
    steps: list[Step] = []
    found = tune(net, tmp_path / "o.onnx", steps, max_drop=0.2)

    assert found.best.loss <= 0.2 < steps[0].trial.loss
    assert set(found.best.floats) == {"depthwise8", "project8", "depthwise10", "project10"}
    images = Images(net.calib, samples=100)
    base = lay_groundwork(net.model, images, Config(effort="fast"), pixels=None, progress=None, clock=Clock())
    groups = find_groups(base.prepared, base.plan)
    with Tape() as tape:
        loader = Images(net.calib, samples=500).open(input_specs(base.original))
        exam, corrections = Exam(base.original, loader, lambda: None, tape), Corrections(base)

        def loss(names: Collection[str]) -> float:
            nodes = [node for group in groups if group.name in names for node in group.nodes]
            return exam.loss(base.carry_out(corrections.plan(nodes, "test")))

        for name in found.best.floats:
            assert loss(set(found.best.floats) - {name}) > 0.2
        order = [group.name for group in groups]
        others = next(n + 1 for n in range(1 + len(order)) if loss(order[:n]) <= 0.2)  # as they stand in the graph
    assert 3 * (found.searched + found.side_cost) <= others
    assert found.side_cost == pytest.approx((2 * len(groups) + 1 + 2 * (found.searched - 1)) * 8 / 500)


def test_the_model_on_disk_is_the_best_and_says_why_nodes_are_fp32(
    small: SpreadNet, tuned: tuple[Tuning, Path]
) -> None:
    found, out = tuned

    assert set(found.best.floats) == BAD
    reasons = remembered_reasons(load(out, quantized=True))
    assert {name for name, reason in reasons.items() if reason == "tuning: in INT8 it loses too much"} == {*BAD, "add2"}
    verdict = pyq8.check(small.model, out, small.data, max_drop=0.5)
    assert found.verdict.reasons == verdict.reasons
    assert found.exit_code == verdict.exit_code
    assert found.front[0].floats == () and found.best in found.front


def test_corrections_do_not_change_what_must_be_fp32(small: SpreadNet, tmp_path: Path) -> None:
    found = tune(small, tmp_path / "o.onnx", max_drop=0.5, effort="default")

    assert found.best.loss <= 0.5 < found.trials[0].loss and set(found.best.floats) == BAD


def test_the_same_input_gives_the_same_files(small: SpreadNet, tuned: tuple[Tuning, Path], tmp_path: Path) -> None:
    tune(small, tmp_path / "o.onnx", max_drop=0.5)
    for name in ("o.onnx", "o.onnx.tune.json"):
        assert (tmp_path / name).read_bytes() == (tuned[1].parent / name).read_bytes()


def test_what_was_tried_is_not_tried_again_for_any_demand(
    small: SpreadNet, tuned: tuple[Tuning, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, out = tuned[0], tmp_path / "o.onnx"
    Path(f"{out}.tune.json").write_bytes(Path(f"{tuned[1]}.tune.json").read_bytes())

    def fail(*_: object) -> float:
        raise AssertionError("tried again")

    monkeypatch.setattr(Exam, "loss", fail)
    steps: list[Step] = []

    again = tune(small, out, steps, max_drop=0.5)
    assert all(step.known for step in steps)
    assert replace(again, verdict=first.verdict) == first
    assert out.read_bytes() == tuned[1].read_bytes()

    other = tune(small, out, steps, max_drop=90)
    assert other.best.floats == () and len(other.trials) == len(first.trials)


def test_a_state_of_something_else_is_refused(small: SpreadNet, tmp_path: Path) -> None:
    out = tmp_path / "o.onnx"
    tune(small, out, max_drop=90)
    before = out.read_bytes()
    for options, what in (
        ({"observer": "minmax"}, "observer"), ({"samples": 50}, "set of calibration images"),
        ({"search_samples": 50}, "set of search images"), ({"metric": "agreement"}, "metric"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=f"o.onnx.tune.json: was made with another {what} .*delete it"):
            tune(small, out, max_drop=90, **options)
    assert out.read_bytes() == before


def test_trials_of_a_metric_that_was_edited_are_refused(
    small: SpreadNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))

    def score(text: str) -> Tuning:
        (tmp_path / "edited_metric.py").write_text(f"def score(outputs, label, name):\n    return {text}\n")
        sys.modules.pop("edited_metric", None)
        importlib.invalidate_caches()
        return tune(small, tmp_path / "o.onnx", metric="edited_metric:score", max_drop=1e9)

    score("outputs['y'].max()")
    with pytest.raises(DataError, match="another function of the metric"):
        score("outputs['y'].max() + 1")


def test_a_latency_alone_gives_its_time_to_what_loses_most(small: SpreadNet, tmp_path: Path) -> None:
    found = tune(small, tmp_path / "o.onnx", max_latency="0.5x")  # FP32 10 ms, INT8 4 ms

    assert found.best.ms <= 5 and set(found.best.floats) >= BAD
    assert found.best.loss == min(trial.loss for trial in found.trials)
    assert found.exit_code == 0 and not found.missed
    assert "a drop [" in found.reasons[0] and "allowed" not in found.reasons[0]


def test_the_latency_that_counts_in_the_end_is_the_measured_one(
    small: SpreadNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fix(monkeypatch.setattr, apart=2.0)  # so that only the first model of the front takes 5 ms or less
    found = tune(small, tmp_path / "o.onnx", max_latency="0.5x")

    assert found.best == found.front[0] and found.front[1].ms <= 5
    kept = remembered_reasons(load(tmp_path / "o.onnx", quantized=True))
    assert not set(found.front[1].floats) & set(kept)


def test_two_demands_that_exclude_each_other_leave_the_accurate_model_and_say_so(
    small: SpreadNet, tmp_path: Path
) -> None:
    found = tune(small, tmp_path / "o.onnx", max_drop=0.5, max_latency=4.0)

    assert set(found.best.floats) == BAD
    assert found.exit_code == 1
    assert "4.00 ms were demanded" in found.missed[0]


def test_a_limit_that_no_trial_meets_is_said_and_the_best_is_left(small: SpreadNet, tmp_path: Path) -> None:
    found = tune(small, tmp_path / "o.onnx", max_drop=-1)

    assert found.exit_code == 1 and "at most -1" in found.missed[0]
    assert found.best.loss == 0.0
    assert (tmp_path / "o.onnx").exists()


def test_a_metric_without_a_score_of_fp32_has_a_minimum(small: SpreadNet, tmp_path: Path) -> None:
    found = tune(small, tmp_path / "o.onnx", metric="sqnr", minimum=20)

    assert -found.best.loss >= 20 and set(found.best.floats) >= BAD
    with pytest.raises(UsageError, match="--max-drop does not fit sqnr"):
        tune(small, tmp_path / "p.onnx", metric="sqnr", max_drop=1)


def test_images_that_are_the_same_for_calibration_and_verdict_are_halved(small: SpreadNet, tmp_path: Path) -> None:
    said: list[str] = []
    found = tune(replace(small, data=small.calib), tmp_path / "o.onnx", max_drop=90, say=said.append)

    assert said[0].startswith("quantizing") and "one half of the images" in said[1]
    assert found.verdict.report.accuracy is not None
    assert found.images + found.verdict.report.accuracy.samples == 100
    assert found.images > 20 < found.verdict.report.accuracy.samples


def test_pixels_as_input_are_tuned_like_floats(tmp_path: Path, digits_model: str, digits_images: str,
                                               digits_preprocess: str) -> None:  # fmt: skip
    preprocess = pyq8.Preprocess.from_toml(digits_preprocess)
    found = pyq8.tune(digits_model, digits_images, digits_images, tmp_path / "o.onnx", metric="sqnr", minimum=10,
                      preprocess=preprocess, input="uint8", samples=20, search_samples=20, effort="fast")  # fmt: skip
    assert found.verdict.passed and found.best.floats == ()


def test_nothing_demanded_is_an_error(small: SpreadNet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is demanded; say --max-drop"):
        tune(small, tmp_path / "o.onnx")
    with pytest.raises(UsageError, match="--max-latency 'soon'"):
        tune(small, tmp_path / "o.onnx", max_latency="soon")


def test_the_json_has_all_trials(tuned: tuple[Tuning, Path]) -> None:
    found, _ = tuned
    data = json.loads(json.dumps(found.to_json(), default=float))
    assert (data["kind"], data["schema"]) == ("pyq8 tune", 1)
    assert len(data["trials"]) == found.searched == len(found.trials)
    assert [row["measured_ms"] for row in data["front"]] == pytest.approx(4 + 0.1 * np.arange(len(data["front"])))
