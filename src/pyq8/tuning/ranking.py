"""The groups in the order in which they are worth FP32."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pyq8.bench.group_times import time_groups
from pyq8.bench.speed import SpeedReport, time_models
from pyq8.groundwork import Groundwork, Progress, step
from pyq8.loaders.some import first_feeds
from pyq8.model.file import save
from pyq8.model.intake import intake, single
from pyq8.plan.groups import Group
from pyq8.ranking.sensitivity import SensitivityReport, measure_sensitivity
from pyq8.trial import own_corrections
from pyq8.tuning.corrections import FEW
from pyq8.tuning.goal import Estimate
from pyq8.tuning.latency import Costs

SECONDS = 0.3
"""How long a model runs in a round."""
LEAST_US = 1.0
"""A group costs as much at least; below, the measurement is noise."""


def measure_costs(base: Groundwork, groups: Sequence[Group], progress: Progress | None) -> Costs:
    """Time of the model and of every group, in FP32 and in INT8.

    Args:
        base: the model, its plan and some images.
        groups: of the plan.
        progress: called with processes done.

    Raises:
        ModelError: ONNX Runtime cannot run a model.
    """
    int8, feeds = base.carry_out(base.plan), base.kept[0].feeds
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        paths = [str(Path(folder) / name) for name in ("fp32.onnx", "int8.onnx")]
        for model, path in zip((base.original, int8), paths, strict=True):
            save(model, path)
        fp32_row, int8_row = time_on(base, paths, progress, "time", rounds=3).rows
    return Costs(
        fp32_ms=fp32_row.p50_ms / fp32_row.batch,
        int8_ms=int8_row.p50_ms / int8_row.batch,
        fp32_us=time_groups(base.prepared, groups, feeds),
        int8_us=time_groups(int8, groups, feeds),
    )


def measure_errors(base: Groundwork, groups: Sequence[Group], progress: Progress | None) -> SensitivityReport:
    """The error of every group, on a few calibration images.

    Args:
        base: the model, its plan and some images.
        groups: of the plan.
        progress: called with groups done.

    Raises:
        ModelError: ONNX Runtime cannot run a model.
    """
    told = step(progress, "rank", len(groups))
    plan = own_corrections(base.prepared, base.plan, base.calibration)
    return measure_sensitivity(base.prepared, plan, first_feeds(base.kept, FEW), told)


def time_on(
    base: Groundwork, paths: Sequence[str], progress: Progress | None, name: str, rounds: int = 6
) -> SpeedReport:
    """Time models on one of the images, with the batch that they want.

    Args:
        base: where the image comes from.
        paths: of the models.
        progress: called with processes done.
        name: of the stage, for it.
        rounds: as for `time_models`.
    """
    told: Callable[[int, int], None] | None = None
    if progress is not None:
        before = 0

        def told(done: int, total: int) -> None:
            nonlocal before
            progress(name, done - before, total)
            before = done

    taken = intake(base.original)
    feeds, _ = next(single([base.kept[0].feeds], taken))
    return time_models(paths, batch=taken.size, rounds=rounds, seconds=SECONDS, feeds=feeds, progress=told)


def rank(errors: SensitivityReport, groups: Sequence[Group], ms: Estimate) -> list[str]:
    """The groups' names, the largest error for their time first.

        error alone in INT8 / (estimate with the group in FP32 - estimate all in INT8)

    A tensor that INT8 does not fit counts for the group that writes it and for the one that reads it: both must be FP32
    to cure it, so that either alone in FP32 would seem useless. Of equal ones the first in the graph comes first.
    """
    error = {row.group: row.alone_int8 for row in errors.rows}
    start = ms(frozenset())

    def worth(name: str) -> float:
        us = max(LEAST_US, 1e3 * (ms(frozenset([name])) - start))
        found = error.get(name, 0.0)
        return math.inf if math.isnan(found) else found / us

    return sorted((group.name for group in groups), key=lambda name: -worth(name))
