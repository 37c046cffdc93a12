"""speed.py: the mechanism; no test here asserts a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest

from pyq8.errors import ModelError, UsageError
from pyq8.verify import speed
from pyq8.verify.speed import SpeedReport, time_models

TEXT = """
<ir_version: 8, opset_import: ["": 17]>
g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Relu (x) }
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx.parser.parse_model(TEXT).SerializeToString())
    return path


def fake(monkeypatch: pytest.MonkeyPatch, times: dict[str, list[float]]) -> list[str]:
    """Stopwatches that answer with these medians, in ms; returns the list of who was started."""
    started: list[str] = []
    left = {name: iter(values) for name, values in times.items()}

    def run_alone(path: str, _: Any) -> dict[str, float]:
        started.append(Path(path).name)
        median = next(left[Path(path).name])
        return {"median_ms": median, "p90_ms": median * 2, "peak_rss_mib": 50 + median}

    monkeypatch.setattr(speed, "_run_alone", run_alone)
    return started


def test_real_models_are_timed_in_their_own_processes(model: Path) -> None:
    seen: list[tuple[int, int]] = []
    feeds = {"x": np.ones((2, 3, 8, 8), np.float32)}

    report = time_models(
        [model, str(model)], batch=2, threads=1, rounds=2, seconds=0, feeds=feeds,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip

    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [row.path for row in report.rows] == [str(model)] * 2
    assert report.rows[0].ratio == report.rows[0].ratio_low == report.rows[0].ratio_high == 1
    assert all(row.median_ms > 0 and row.peak_rss_mib > 10 and row.batch == 2 for row in report.rows)
    assert (report.threads, report.versions["onnxruntime"][:2]) == (1, "1.")


def test_ratios_are_taken_within_a_round(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = model.with_name("fast.onnx")
    other.write_bytes(b"")
    started = fake(monkeypatch, {"m.onnx": [10, 20, 40], "fast.onnx": [5, 5, 20]})

    report = time_models([model, other], batch=4, rounds=3)

    first, second = report.rows
    assert started == ["m.onnx", "fast.onnx", "fast.onnx", "m.onnx", "m.onnx", "fast.onnx"]
    assert (second.ratio, second.ratio_low, second.ratio_high) == (2, 2, 4)
    assert (first.median_ms, first.p90_ms, first.images_per_s) == (20, 40, 200)
    assert (second.median_ms, second.peak_rss_mib) == (5, 70)


def test_a_report_round_trips_and_prints_every_model(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, {"m.onnx": [10.123]})
    report = time_models([model], rounds=1, threads=3)

    again = SpeedReport.from_json(json.loads(json.dumps(report.to_json())))

    assert again == report
    text = str(report)
    assert str(model) in text
    assert "10.12" in text
    assert "1.00x" in text
    assert "3 threads" in text


def test_a_model_that_fails_is_named_with_the_childs_reason(model: Path) -> None:
    broken = model.with_name("broken.onnx")
    broken.write_bytes(b"junk")
    with pytest.raises(ModelError) as caught:
        time_models([model, broken], rounds=1, seconds=0)
    assert "broken.onnx: onnxruntime cannot load it" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"m\.onnx: no data for input 'x'"):
        time_models([model], rounds=1, feeds={"a": np.ones(1), "b": np.ones(1)})


def test_a_missing_model_is_reported_before_anything_is_timed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = fake(monkeypatch, {"m.onnx": [1]})
    with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
        time_models([model, "none.onnx"], rounds=1)
    assert started == []


def test_a_killed_child_is_reported(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(ModelError, match="killed by signal 9"):
        time_models([model], rounds=1)


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"threads": 0}, {"rounds": 0}, {"seconds": -1}])
def test_numbers_that_cannot_be_are_refused(model: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="cannot time"):
        time_models([model], **wrong)
    with pytest.raises(UsageError, match="cannot time 0 models"):
        time_models([])


def test_the_child_is_found_from_another_directory_that_shadows_modules(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "pyq8.py").write_text("raise SystemExit('the wrong pyq8')")

    assert time_models([model], rounds=1, seconds=0, threads=1).rows[0].median_ms > 0


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_an_interrupt_leaves_no_child_behind(model: Path) -> None:
    code = f"from pyq8.verify.speed import time_models; time_models([{str(model)!r}], seconds=600)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as parent:
        child = child_of(parent.pid)

        os.kill(parent.pid, signal.SIGINT)
        parent.wait(30)

    assert state(child) in ("", "Z")  # gone, or dead and not yet reaped by init


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def child_of(pid: int) -> int:
    for _ in range(600):
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                return int(stat.parent.name)
        time.sleep(0.05)
    raise AssertionError("no child was started")
