"""What ONNX Runtime's profiler wrote: which node took how long, on which shapes, call by call."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KERNEL = "_kernel_time"
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Event:
    """One kernel that ran.

    Args:
        call: which call of the model, from 0.
        name: of the node that was executed.
        op_type: the operator that ran.
        ms: milliseconds, without those of the nodes in the body of a Loop, If or Scan.
        inputs: their shapes; a missing input has none, a prepacked weight is left out.
        outputs: their shapes.
    """

    call: int
    name: str
    op_type: str
    ms: float
    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


def read_trace(path: str | os.PathLike[str]) -> list[Event]:
    """The kernels of a profile, in the order in which they began."""
    entries = json.loads(Path(path).read_text(encoding="utf-8"))
    starts = sorted(e["ts"] for e in entries if e["cat"] == "Session" and e["name"] == "model_run")
    kernels = [e for e in entries if e["cat"] == "Node" and e["name"].endswith(KERNEL)]
    kernels.sort(key=lambda e: (e["ts"], -e["dur"]))
    return [
        Event(
            call=bisect_right(starts, e["ts"]) - 1,
            name=e["name"].removesuffix(KERNEL),
            op_type=e["args"]["op_name"],
            ms=own / 1e3,
            inputs=_shapes(e["args"].get("input_type_shape")),
            outputs=_shapes(e["args"].get("output_type_shape")),
        )
        for e, own in zip(kernels, _own_time(kernels), strict=True)
    ]


def _own_time(kernels: list[dict[str, Any]]) -> list[float]:
    """Microseconds of each without those that ran inside it: nodes run one after another, bodies within theirs."""
    own = [float(e["dur"]) for e in kernels]
    around: list[int] = []
    for i, e in enumerate(kernels):
        while around and kernels[around[-1]]["ts"] + kernels[around[-1]]["dur"] <= e["ts"]:
            around.pop()
        if around:
            own[around[-1]] = max(0.0, own[around[-1]] - e["dur"])
        around.append(i)
    return own


def _shapes(entries: Iterable[dict[str, list[int]]] | None) -> tuple[Shape, ...]:
    return tuple(tuple(next(iter(entry.values()), ())) for entry in entries or ())
