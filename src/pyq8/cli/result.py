"""What `pyq8 quantize` prints of its result."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from pyq8.cli.level import detail, line, say
from pyq8.cli.output import decibel, mib

if TYPE_CHECKING:
    from pyq8.result import Result


ENOUGH = 16
"""Calibration images; fewer are fitted so well that they say little of others."""


def show(result: Result, model: str, calib: str | None, out: str, plan: str | None = None) -> None:
    """Ten lines that say what happened; without those of accuracy where there were no images."""
    from pyq8.model.intake import intake
    from pyq8.verify.judged import OF_BOXES, picks_boxes

    boxes = picks_boxes(result.prepared)
    kernels, layers, accuracy = result.report.kernels, result.report.layers, result.report.accuracy
    seconds = sum(result.seconds.values())
    skipped = f" ({len(result.skipped)} unreadable ones left out)" if result.skipped else ""
    made = f"{result.calibration.samples} images{skipped if plan is None else ''}, observer {result.config.observer}"
    say(f"{model} -> {out}  ({mib(model)} -> {mib(out)})")
    whole = sorted(intake(result.prepared).whole)
    if whole:
        names = ", ".join(map(repr, whole))
        line("samples", f"no batch axis in {names}: an array of the input's shape is one sample, and a run takes one")
    line(*("calibrated", made) if plan is None else ("replayed", f"{plan}, of {made}"))
    if result.report.halves is not None:
        line("images", str(result.report.halves))
    line("took", f"{seconds:.1f} s, peak memory {result.peak_rss_mib:.0f} MiB")
    tables = len(result.in_tables)
    float_nodes = {n: why for n, why in result.plan.float_nodes.items() if n not in result.in_tables}
    int8 = len(result.plan.int8_nodes) + len(result.plan.absorbed) + tables
    line("nodes", f"{int8} INT8{f' ({tables} in tables of codes)' if tables else ''}, {len(float_nodes)} FP32")
    for reason, count in Counter(float_nodes.values()).most_common(4):
        line("", f"{count:4d} FP32: {reason}")
    line("kernels", str(kernels))
    if accuracy is not None and layers is not None:
        outputs = [f"{r.output} {decibel(r.value)}" for r in accuracy.rows if r.metric == "sqnr"]
        outputs += [f"{r.output} {r.value:.4g} % equal" for r in accuracy.rows if r.metric == "equal"]
        many = "image" if accuracy.samples == 1 else "images"
        images = f"{accuracy.samples} {'calibration ' if plan is None else ''}{many}{skipped if plan else ''}"
        doubt = "; others may lose more" if plan is None and result.calibration.samples < ENOUGH else ""
        what = "SQNR" if any(r.metric == "sqnr" for r in accuracy.rows) else "agreement"
        if boxes:
            line("outputs", "SQNR of boxes behind NMS compares boxes in another order; next judges what is found")
        else:
            line("outputs", f"{what} on {images}: {', '.join(outputs[:6])}{doubt}")
        worst = [f"{r.node} {decibel(r.sqnr)}" for r in layers.rows[:3]]
        line("worst", ", ".join(worst))
    judge = ["--metric", OF_BOXES[0], "--truth", OF_BOXES[1]] if boxes else []
    line("next", shlex.join(["pyq8", "check", model, out, "--data", calib or "IMAGES", *judge]))


def show_details(result: Result) -> None:
    """For `--verbose`: the stages' seconds, what every pass did and refused, every node in FP32."""
    for stage, seconds in result.seconds.items():
        detail(f"{stage:11} {seconds:.2f} s")
    for done in result.passes:
        detail(f"pass        {done}")
        for node, reason in done.refused.items():
            detail(f"            {node} refused: {reason}")
    for node, reason in result.plan.float_nodes.items():
        detail(f"FP32        {node}: {reason}")
