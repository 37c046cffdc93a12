"""The groups in the order in which they are worth FP32."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyq8.groundwork import Groundwork, Progress, step
from pyq8.groups import Group
from pyq8.inference import batch_size
from pyq8.model import save
from pyq8.trial import trial
from pyq8.tuning.latency import Costs, Latency
from pyq8.types import Feeds
from pyq8.verify.group_times import time_groups
from pyq8.verify.sensitivity import SensitivityReport, measure_sensitivity
from pyq8.verify.speed import SpeedReport, time_models

FEW = 8
"""Images on which every group is tried alone."""
SECONDS = 0.3
"""How long a model runs in a round."""
LEAST_US = 1.0
"""A group costs as much at least; below, the measurement is noise."""


@dataclass(frozen=True)
class Measured:
    """What the ranking rests on."""

    sensitivity: SensitivityReport
    costs: Costs

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back."""
        return {"sensitivity": self.sensitivity.to_json(), "costs": asdict(self.costs)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measured:
        """The inverse of `to_json`."""
        return cls(SensitivityReport.from_json(data["sensitivity"]), Costs.from_json(data["costs"]))


def measure(base: Groundwork, groups: Sequence[Group], progress: Progress | None) -> Measured:
    """Error and time of every group.

    Args:
        base: the model, its plan and some images.
        groups: of the plan.
        progress: called with groups and processes done.

    Raises:
        ModelError: ONNX Runtime cannot run a model.
    """
    feeds = _few(base)
    told = step(progress, "rank", len(groups))
    sensitivity = measure_sensitivity(base.prepared, base.plan, feeds, trial, told)
    int8 = base.carry_out(base.plan)
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        paths = [str(Path(folder) / name) for name in ("fp32.onnx", "int8.onnx")]
        for model, path in zip((base.original, int8), paths, strict=True):
            save(model, path)
        fp32_row, int8_row = time_on(base, paths, progress, "time").rows
    costs = Costs(
        fp32_ms=fp32_row.p50_ms / fp32_row.batch,
        int8_ms=int8_row.p50_ms / int8_row.batch,
        fp32_us=time_groups(base.prepared, groups, feeds[0]),
        int8_us=time_groups(int8, groups, feeds[0]),
    )
    return Measured(sensitivity, costs)


def _few(base: Groundwork) -> list[Feeds]:
    """The first images."""
    found: list[Feeds] = []
    left = FEW
    for batch in base.kept:
        if left > 0:
            found.append({name: array[:left] for name, array in batch.feeds.items()})
            left -= len(batch)
    return found


def time_on(base: Groundwork, paths: Sequence[str], progress: Progress | None, name: str) -> SpeedReport:
    """Time models on one of the images, with the batch that they want.

    Args:
        base: where the image comes from.
        paths: of the models.
        progress: called with processes done.
        name: of the stage, for it.
    """
    told: Callable[[int, int], None] | None = None
    if progress is not None:
        before = 0

        def told(done: int, total: int) -> None:
            nonlocal before
            progress(name, done - before, total)
            before = done

    size = batch_size(base.original)
    return time_models(paths, batch=size, seconds=SECONDS, feeds=base.kept[0].feeds, progress=told)


def rank(measured: Measured, groups: Sequence[Group], ms: Latency) -> list[str]:
    """The groups' names, the largest error for their time first.

        error alone in INT8 / (estimate with the group in FP32 - estimate all in INT8)

    A tensor that INT8 does not fit counts for the group that writes it and for the one that reads it: both must be FP32
    to cure it, so that either alone in FP32 would seem useless. Of equal ones the first in the graph comes first.
    """
    error = {row.group: row.alone_int8 for row in measured.sensitivity.rows}
    start = ms(frozenset())

    def worth(name: str) -> float:
        us = max(LEAST_US, 1e3 * (ms(frozenset([name])) - start))
        found = error.get(name, 0.0)
        return math.inf if math.isnan(found) else found / us

    return sorted((group.name for group in groups), key=lambda name: -worth(name))
