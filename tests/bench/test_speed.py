"""speed.py: the mechanism; no test here asserts a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest

from pyq8.bench import speed
from pyq8.bench.noise import CpuWatch
from pyq8.bench.profile import NodeTime, Profile
from pyq8.bench.speed import SpeedReport, time_models
from pyq8.errors import ModelError, UsageError

TEXT = """
<ir_version: 8, opset_import: ["": 17]>
g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Relu (x) }
"""
TWICE = "z = Identity (x) y = Relu (z)"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx.parser.parse_model(TEXT).SerializeToString())
    return path


@pytest.fixture
def other(model: Path) -> Path:
    path = model.with_name("fast.onnx")
    path.write_bytes(model.read_bytes())
    return path


def fake(monkeypatch: pytest.MonkeyPatch, times: dict[str, list[float]]) -> list[tuple[Any, ...]]:
    """Stopwatches that answer with these medians, in ms; returns the list of what was started."""
    started: list[tuple[Any, ...]] = []
    left = {name: iter(values) for name, values in times.items()}

    def run_alone(job: str, path: str, **options: Any) -> dict[str, Any]:
        name = Path(path).name
        started.append((job, name, options.get("threads"), options.get("batch")))
        if job == "examine":
            return {"macs": 5e8, "whole": []}
        if job == "peak":
            return {"gops": 100.0 * options["threads"], "runtime": ["onnxruntime", "9.9"]}
        median = next(left[name])
        return {
            "p50_ms": median, "p90_ms": median * 2, "p99_ms": median * 3, "peak_rss_mib": 50 + median,
            "calls": int(median), "load_ms": median * 4, "runtime": ["onnxruntime", "9.9"],
        }  # fmt: skip

    monkeypatch.setattr(speed, "run_alone", run_alone)
    monkeypatch.setattr(CpuWatch, "taken", lambda _: (0.01, 0.0))
    return started


def test_real_models_are_timed_in_their_own_processes(model: Path) -> None:
    seen: list[tuple[int, int]] = []
    feeds = {"x": np.ones((2, 3, 8, 8), np.float32)}

    report = time_models(
        [model, str(model)], batch=2, threads=1, rounds=1, seconds=0, feeds=feeds, profile=True,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip

    assert seen == [(n, 7) for n in range(1, 8)]  # 2 examined, 1 peak, 2 timed, 2 profiled
    assert [row.path for row in report.rows] == [str(model)] * 2
    assert report.rows[0].ratio == report.rows[0].ratio_low == report.rows[0].ratio_high == 1
    assert all(row.p50_ms > 0 and row.peak_rss_mib > 10 and row.load_ms > 0 for row in report.rows)
    assert all((row.batch, row.threads) == (2, 1) for row in report.rows)
    assert report.int8_peaks[1] > 0
    assert set(report.versions) == {"pyq8", "numpy", "onnxruntime"}
    assert [len(p.nodes) for p in report.profiles] == [1, 1] and len(report.comparisons) == 1
    assert SpeedReport.from_json(json.loads(json.dumps(report.to_json()))) == report


def test_a_model_runs_as_far_optimized_as_it_is_asked(model: Path) -> None:
    model.write_bytes(onnx.parser.parse_model(TEXT.replace("y = Relu (x)", TWICE)).SerializeToString())

    report = time_models(
        [model, model], threads=1, rounds=1, seconds=0, size=(8, 8), optimize=["off", "all"], profile=True
    )

    assert [len(profile.nodes) for profile in report.profiles] == [2, 1]


@pytest.mark.parametrize("levels", ["most", ["all"], ["all", "most"]])
def test_a_level_that_is_none_is_refused(model: Path, levels: Any) -> None:
    with pytest.raises(UsageError, match="one of all, extended, basic, off for all models, or one a model"):
        time_models([model, model], optimize=levels)


def test_ratios_are_taken_within_a_round(model: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = fake(monkeypatch, {"m.onnx": [10, 20, 40], "fast.onnx": [5, 5, 20]})

    report = time_models([model, other], batch=4, threads=2, rounds=3)

    first, second = report.rows
    assert [name for job, name, *_ in started if job == "time"] == [
        "m.onnx", "fast.onnx", "fast.onnx", "m.onnx", "m.onnx", "fast.onnx",
    ]  # fmt: skip
    assert (second.ratio, second.ratio_low, second.ratio_high) == (2, 2, 4)
    assert report.confidence == 0.75
    assert (first.p50_ms, first.p90_ms, first.p99_ms, first.images_per_s) == (20, 40, 60, 200)
    assert (first.calls, first.load_ms, first.spread) == (10, 80, 1.5)
    assert (second.p50_ms, second.peak_rss_mib) == (5, 70)
    assert report.noise.spread == 3 and report.noise.noisy
    assert (first.gops, first.int8_peak_share) == (1, 1)  # 1 G-op an image, 200 images/s, peak 200 G-op/s


def test_the_interval_is_not_moved_by_an_outlier(model: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, {"m.onnx": [10] * 9, "fast.onnx": [5, 5, 4, 5, 5, 4, 5, 1, 5]})
    row = time_models([model, other], threads=1, rounds=9).rows[1]
    assert (row.ratio, row.ratio_low, row.ratio_high) == (2, 2, 2.5)


def test_every_batch_with_every_number_of_threads(model: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = fake(monkeypatch, {"m.onnx": [8, 8, 4, 4], "fast.onnx": [1, 2, 3, 4]})

    report = time_models([model, other], batch=[1, 16, 1], threads=[1, 2], rounds=1)

    rows = [(Path(r.path).name, r.threads, r.batch, r.ratio) for r in report.rows]
    assert rows == [
        ("m.onnx", 1, 1, 1), ("fast.onnx", 1, 1, 8), ("m.onnx", 1, 16, 1), ("fast.onnx", 1, 16, 4),
        ("m.onnx", 2, 1, 1), ("fast.onnx", 2, 1, 4 / 3), ("m.onnx", 2, 16, 1), ("fast.onnx", 2, 16, 1),
    ]  # fmt: skip
    assert [threads for job, _, threads, _ in started if job == "peak"] == [1, 2]
    assert [job for job, *_ in started[:4]] == ["examine", "examine", "peak", "peak"]
    assert report.int8_peaks == {1: 100, 2: 200}
    assert [row.int8_peak_share for row in report.rows[::4]] == [125 / 100, 250 / 200]  # images/s, 1 G-op each, peak


@pytest.mark.parametrize(("rounds", "heading"), [(5, "[worst, best]"), (6, "[97% interval]")])
def test_a_report_round_trips_and_prints_every_model(
    model: Path, monkeypatch: pytest.MonkeyPatch, rounds: int, heading: str
) -> None:
    fake(monkeypatch, {"m.onnx": [10.123] * 6})
    report = time_models([model], rounds=rounds, threads=3)

    assert SpeedReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    text = str(report)
    for expected in (str(model), "10.123", "20.246", "30.369", "1.00x", "300 G-op/s with 3 threads", "onnxruntime 9.9",
                     "no noise found", heading):  # fmt: skip
        assert expected in text
    assert len(set(map(len, text.splitlines()[:2]))) == 1  # columns under their headings


def test_every_profile_stands_beside_the_first_of_its_setting(
    model: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(monkeypatch, {"m.onnx": [1, 1], "fast.onnx": [1, 1]})

    def profiled(path: str, *_: Any, batch: int, threads: int, **__: Any) -> Profile:
        return Profile(path, batch, threads, 3, (NodeTime("n", "Conv", 1.0, "y"),))

    monkeypatch.setattr(speed, "profile_model", profiled)

    report = time_models([model, other], batch=(1, 2), rounds=1, threads=1, profile=True)

    assert [(p.path, p.batch) for p in report.profiles] == [
        (str(model), 1), (str(other), 1), (str(model), 2), (str(other), 2),
    ]  # fmt: skip
    pairs = [(c.first.path, c.other.path, c.first.batch, c.other.batch) for c in report.comparisons]
    assert pairs == [(str(model), str(other), 1, 1), (str(model), str(other), 2, 2)]
    assert len(report.to_json()["comparisons"]) == 2
    assert f"{other} beside {model}, batch 2, 1 thread" in str(report)


def test_a_model_that_fails_is_named_before_anything_is_timed(model: Path) -> None:
    broken = model.with_name("broken.onnx")
    broken.write_bytes(b"junk")
    seen: list[int] = []
    with pytest.raises(ModelError, match=r"broken\.onnx: onnxruntime cannot load it"):
        time_models([model, broken], rounds=1, seconds=0, size=(8, 8), progress=lambda done, _: seen.append(done))
    assert seen == [1]
    with pytest.raises(ModelError, match=r"m\.onnx: no data for input 'x'"):
        time_models([model], rounds=1, feeds={"a": np.ones(1), "b": np.ones(1)})


def test_a_missing_model_is_reported_before_anything_is_started(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = fake(monkeypatch, {"m.onnx": [1]})
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        time_models([model, "none.onnx"], rounds=1)
    with pytest.raises(ModelError, match="a folder; give the path of a model"):
        time_models([model, model.parent], rounds=1)
    assert started == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"batch": 0}, "batch 0: "), ({"batch": (1, -2)}, "batch 1, -2: "), ({"threads": 0}, "threads 0: "),
     ({"threads": ()}, "threads of nothing"), ({"rounds": 0}, "rounds 0: "), ({"seconds": -1}, "seconds -1: "),
     ({"seconds": float("nan")}, "seconds nan: "), ({"seconds": float("inf")}, "seconds inf: ")],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], said: str
) -> None:
    fake(monkeypatch, {"m.onnx": [1] * 6})
    with pytest.raises(UsageError, match=said):
        time_models([model], **wrong)


def test_no_models_are_refused() -> None:
    with pytest.raises(UsageError, match="no models"):
        time_models([])
