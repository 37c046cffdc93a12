"""Reading what ONNX Runtime's profiler wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyq8.bench.trace import Event, read_trace


def entry(name: str, ts: int, dur: int, op_type: str = "Conv", **shapes: Any) -> dict[str, Any]:
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur, "args": {"op_name": op_type, **shapes}}


def call(ts: int) -> dict[str, Any]:
    return {"cat": "Session", "name": "model_run", "ts": ts, "dur": 1}


def test_events_are_told_apart_by_call_and_loops_without_their_body(tmp_path: Path) -> None:
    shapes = {"input_type_shape": [{"float": [1, 3]}, {"int8": [3, 2]}], "output_type_shape": [{"float": []}, {}]}
    first = [entry("b", 130, 20), entry("loop", 110, 60, "Loop"), entry("a", 112, 10), entry("c", 132, 4)]
    others = [
        {"cat": "Session", "name": "session_initialization", "ts": 1},
        {"cat": "Node", "name": "a_before", "ts": 201},
    ]
    entries = [call(100), *first, call(200), entry("a", 205, 30, "QGemm", **shapes), *others]
    (tmp_path / "p.json").write_text(json.dumps(entries))

    events = read_trace(tmp_path / "p.json")

    assert [(e.call, e.name, e.op_type, round(e.ms * 1e3)) for e in events] == [
        (0, "loop", "Loop", 30), (0, "a", "Conv", 10), (0, "b", "Conv", 16), (0, "c", "Conv", 4), (1, "a", "QGemm", 30),
    ]  # fmt: skip
    assert events[-1] == Event(1, "a", "QGemm", 0.03, ((1, 3), (3, 2)), ((), ()))
