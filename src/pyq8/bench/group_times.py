"""What a group of nodes costs on this machine, in INT8 and in FP32."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyq8 import cpu
from pyq8.bench.profile import profile_model
from pyq8.model.file import save
from pyq8.model.intake import intake, single
from pyq8.plan.groups import Group
from pyq8.types import Feeds

if TYPE_CHECKING:
    import onnx_ir as ir


def time_groups(
    model: ir.Model, groups: Sequence[Group], feeds: Feeds, *, threads: int | None = None, seconds: float = 1.0
) -> dict[str, float]:
    """Group -> microseconds an image, by ONNX Runtime's profiler, the model alone in a process of its own.

    What ONNX Runtime fused into a node counts there; conversions between INT8 and FP32 count for no group, and neither
    does a group of which no node is found in what runs.

    Args:
        model: the prepared FP32 model, or the quantized one.
        groups: of its nodes.
        feeds: {input: array [N, ...]}, real inputs; as many images a call as the model wants.
        threads: of an operator; None for the physical cores this process may use.
        seconds: how long to run, at most 50 calls.

    Raises:
        ModelError: it does not load or run.
    """
    taken = intake(model)
    feeds, _ = next(single([feeds], taken))
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        path, arrays = str(Path(folder) / "model.onnx"), str(Path(folder) / "feeds.npz")
        save(model, path)
        np.savez(arrays, **feeds)  # type: ignore[arg-type]  # numpy's stub means allow_pickle
        options = {
            "batch": taken.size,
            "whole": sorted(taken.whole),
            "threads": threads or cpu.physical_cores(),
            "seconds": seconds,
            "feeds": arrays,
        }
        nodes = profile_model(path, folder, **options).nodes
    ms = {node.name: node.ms for node in nodes if node.output}
    found = {group.name: [ms[n] for n in (*group.nodes, *group.absorbed) if n in ms] for group in groups}
    return {name: round(1e3 * sum(times) / taken.size, 1) for name, times in found.items() if times}
