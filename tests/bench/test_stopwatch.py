"""The jobs of a stopwatch, and how it answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from pyq8.bench import stopwatch
from pyq8.bench.trace import Event
from pyq8.errors import ModelError


@pytest.fixture
def model(tmp_path: Path) -> str:
    text = '<ir_version: 8, opset_import: ["": 17]> g (float[N, 3, H, W] x) => (float[N, 3, H, W] y) { y = Relu (x) }'
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return str(path)


def run(**job: object) -> int:
    return stopwatch.main([json.dumps(job)])


def test_it_prints_one_json_line_a_job(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "f.npz", x=np.ones((1, 3, 4, 4), np.float32))

    assert run(job="time", path=model, batch=2, seconds=0, size=[8, 6]) == 0
    assert run(job="time", path=model, seconds=0, feeds=str(tmp_path / "f.npz")) == 0
    assert run(job="examine", path=model, batches=[1, 2], threads=1, folder=str(tmp_path), size=[8, 6]) == 0

    timed, _, examined = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert 0 < timed["p50_ms"] <= timed["p90_ms"] <= timed["p99_ms"]
    assert timed["calls"] >= 3 and timed["load_ms"] > 0 and timed["peak_rss_mib"] > 10
    assert timed["runtime"][0] == "onnxruntime"
    assert examined == {"macs": 0.0, "whole": []}


def test_a_profile_is_the_median_of_the_calls_after_the_warm_up(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [(call, 1e6) for call in range(stopwatch.WARMUP)] + [
        (3, 1.0),
        (3, 2.0),
        (4, 9.0),
        (5, 5.0),
    ]  # two in a loop
    events = [Event(call, "n", "Relu", ms, (), ()) for call, ms in times]
    monkeypatch.setattr(stopwatch, "read_trace", lambda _: events)
    found = stopwatch.profile(model, batch=1, threads=1, seconds=0, folder=str(tmp_path), size=(8, 8))
    assert found == {"calls": 3, "nodes": [["n", "Relu", 5.0]]}


def test_a_profile_does_not_grow_without_end(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "PROFILED", 4)
    found = stopwatch.profile(model, batch=1, threads=1, seconds=1, folder=str(tmp_path), size=(8, 8))
    assert found["calls"] == 4


def test_a_batch_that_does_not_fit_is_found_without_timing(tmp_path: Path) -> None:
    text = '<ir_version: 8, opset_import: ["": 17]> g (float[N, 4] x) => (float[N, 4] y) { y = Reshape (x, s) }'
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 4]), "s"))
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"does not run on x \(2, 4\)"):
        stopwatch.examine(str(tmp_path / "m.onnx"), batches=[2, 1], threads=1, folder=str(tmp_path))


def test_it_fails_in_one_line(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "f.npz", x=np.ones((1, 5), np.float32))

    code = run(job="time", path=model, feeds=str(tmp_path / "f.npz"))

    said = capsys.readouterr()
    assert code == 3
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "m.onnx: does not run on x (1, 5)" in said.err
