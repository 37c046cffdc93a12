"""Which layers of a model lose most in INT8, why, and what they cost in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyq8.api import weight_type
from pyq8.bench.group_times import time_groups
from pyq8.errors import UsageError
from pyq8.groundwork import Clock, Progress, lay_groundwork, step
from pyq8.loaders import Images, Preprocess
from pyq8.plan.groups import find_groups
from pyq8.ranking.diagnosis import diagnose
from pyq8.ranking.sensitivity import SensitivityReport, measure_sensitivity
from pyq8.trial import own_corrections, trial
from pyq8.types import Config
from pyq8.verify.judged import Judge, judged_model

EXPLAINED = 10
"""Of the worst layers it is said why."""


def rank_layers(
    model: str | Path,
    data: str | Path | Iterable[Any],
    *,
    preprocess: Preprocess | str | None = None,
    samples: int | None = 32,
    split: str = "calib",
    seed: int | None = None,
    skip_bad: bool = False,
    observer: str = Config.observer,
    target: str = "auto",
    exclude: Sequence[str] = (),
    bias_correction: bool = True,
    placement: str = Config.placement,
    effort: str = Config.effort,
    progress: Progress | None = None,
) -> SensitivityReport:
    """Every layer that can be INT8, the one that causes the largest error at the output first; writes nothing.

    Arguments and errors are those of `pyq8.quantize`. The ranges come from all images, errors are measured on 16
    of them: two models a layer run them. The ten worst layers get a diagnosis. Biases correct what rounding the weights
    of their own layer does; those of a quantized model also take out what the layers before do.

    Raises:
        UsageError: also where every node is estimated faster in FP32.
    """
    patterns = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    types = weight_type(target)
    config = Config(observer, types, patterns, bias_correction=bias_correction, placement=placement, effort=effort)
    base = lay_groundwork(
        model,
        Images(data, preprocess, samples, split, seed, skip_bad),
        config,
        pixels=None,
        progress=progress,
        clock=Clock(),
    )
    prepared, feeds = base.prepared, [batch.feeds for batch in base.kept]
    plan = own_corrections(prepared, base.plan, base.calibration)
    if not plan.int8_nodes:
        raise UsageError(f"{model}: every node is faster in FP32; --placement all ranks them nevertheless")
    groups = {group.name: group for group in find_groups(prepared, plan)}
    report = measure_sensitivity(prepared, plan, feeds, step(progress, "layers", len(groups)))
    judged = judged_model(prepared, plan)
    worst = [groups[row.group] for row in report.rows[:EXPLAINED]]
    why = diagnose(judged, plan, worst, feeds, Judge(judged, feeds))
    int8, fp32 = (time_groups(m, list(groups.values()), feeds[0]) for m in (trial(prepared, plan), prepared))
    rows = [replace(r, int8_us=int8.get(r.group), fp32_us=fp32.get(r.group), why=why.get(r.group)) for r in report.rows]
    return replace(report, rows=tuple(rows))
