"""`pyq8 check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pyq8.cli import names
from pyq8.cli.level import say
from pyq8.cli.options import (
    check_data_options,
    data_options,
    give_way,
    image_arguments,
    json_option,
    open_executor,
    worker_options,
)
from pyq8.cli.output import check_writable, progress_bars, write_json
from pyq8.cli.style import verdict as coloured
from pyq8.errors import UsageError
from pyq8.files import write_text

if TYPE_CHECKING:
    from pyq8.gate.gate import Verdict


@click.command("check")
@click.argument("fp32", type=names.MODEL, metavar="FP32")
@click.argument("int8", type=names.MODEL, metavar="INT8")
@click.option("--data", type=names.PATH, required=True, help="Images (folder) or arrays (.npz, .npy).")
@data_options
@click.option(
    "--metric",
    type=names.METRIC,
    help="top1, top5, agreement, sqnr, cosine, equal, map (COCO), map50, map-voc, or module:function of your own. "
    "Default: map50 against FP32 for a detector with NMS in the graph, else the first that applies of top1 (with "
    "labels), agreement (classifiers), sqnr, equal (integers).",
)
@click.option(
    "--max-drop",
    type=float,
    callback=give_way,
    metavar="PTS",
    help="What the metric may lose, in points; in dB for sqnr against a baseline. 1 if not said.",
)
@click.option(
    "--min",
    "minimum",
    type=float,
    callback=give_way,
    metavar="VALUE",
    help="What sqnr (dB) or cosine must reach. 15 and 0.99 if not said.",
)
@click.option(
    "--confidence", type=float, default=0.95, show_default=True, metavar="P", help="Of the bounds that decide."
)
@click.option(
    "--criterion",
    type=names.CRITERION,
    default="bound",
    show_default=True,
    help="What fails: bound (all of the interval is beyond the limit) or estimate (the measured value is).",
)
@click.option(
    "--baseline",
    type=names.PATH,
    metavar="FILE",
    help="Judge against the model whose results are here, instead of FP32.",
)
@click.option("--update-baseline", is_flag=True, help="Judge against FP32, and if it passed write --baseline.")
@click.option(
    "--min-int8",
    type=float,
    metavar="FRACTION",
    help="Share of the convolutions that must run on INT8 kernels.",
)
@click.option("--min-speedup", type=float, metavar="X", help="Times as fast as FP32; a miss warns.")
@click.option("--strict-speed", is_flag=True, help="A miss of --min-speedup fails.")
@click.option(
    "--truth",
    type=names.TRUTH,
    default="annotations",
    show_default=True,
    help="What mAP is measured against: annotations (annotations.json) or fp32 (what FP32 finds).",
)
@click.option(
    "--detector",
    type=names.PATH,
    metavar="FILE.toml",
    help="How to read a detector's outputs: raw SSD heads, other names.",
)
@click.option("--junit", "junit_file", type=names.PATH, metavar="FILE", help="Write the verdict as JUnit XML.")
@worker_options
@json_option
def command(
    fp32: str,
    int8: str,
    data: str,
    metric: str | None,
    max_drop: float | None,
    minimum: float | None,
    confidence: float,
    criterion: str,
    baseline: str | None,
    update_baseline: bool,
    min_int8: float | None,
    min_speedup: float | None,
    strict_speed: bool,
    truth: str,
    detector: str | None,
    junit_file: str | None,
    workers: int | None,
    dask: str | None,
    json_file: str | None,
    **images: Any,
) -> int:  # fmt: skip
    """Compare a quantized model with its FP32 original on the same images.

    Exits with 0 if it passed, 1 if it lost too much, 4 if there are too few images to tell. In GitHub Actions the
    verdict is added to the summary of the job.

    \b
    pyq8 check resnet50.onnx resnet50.int8.onnx --data photos/ --max-drop 0.5
    """
    from pyq8 import api
    from pyq8.cli.junit import junit
    from pyq8.cli.summary import write_summary

    if update_baseline and baseline is None:
        raise UsageError("--update-baseline: say where, with --baseline FILE")
    if strict_speed and min_speedup is None:
        raise UsageError("--strict-speed: say how fast, with --min-speedup X")
    check_data_options(data, images)
    for file in (json_file, junit_file, baseline):
        check_writable(file, fp32, int8)
    with open_executor(workers, dask) as executor, progress_bars() as progress:
        verdict = api.check(
            fp32,
            int8,
            data,
            metric=metric,
            max_drop=max_drop,
            minimum=minimum,
            confidence=confidence,
            criterion=criterion,
            baseline=None if update_baseline else baseline,
            min_int8=min_int8,
            min_speedup=min_speedup,
            strict_speed=strict_speed,
            truth=truth,
            detector=detector,
            executor=executor,
            progress=progress,
            **image_arguments(images, "val"),
        )
    if json_file != "-":
        say_usual(metric, verdict)
        show(verdict)
    if baseline is not None and update_baseline:
        if verdict.passed:
            write_json(verdict.baseline.to_json(), baseline)
        else:
            click.echo(f"pyq8: {baseline} stays as it is: the model did not pass", err=True)
    if junit_file is not None:
        write_text(junit(verdict), junit_file)
    write_summary(verdict)
    write_json({"kind": "pyq8 check", "schema": 1, **verdict.to_json()}, json_file)
    return verdict.exit_code


def say_usual(asked: str | None, verdict: Verdict) -> None:
    """By what a detector is judged where nobody said."""
    from pyq8.verify.judged import OF_BOXES

    if asked is None and verdict.record["metric"] == OF_BOXES[0]:
        say("judged by --metric map50 --truth fp32: SQNR compares boxes in another order, and coordinates drown scores")


def show(verdict: Verdict) -> None:
    """Every score, the demands, the verdict."""
    report = verdict.report
    assert report.accuracy is not None
    say(f"{report.accuracy.samples} images")
    for row in report.accuracy.rows:
        before = "" if row.reference is None else f"{verdict.record['against']} {row.reference:.4g}, "
        say(f"  {row.output + ': ' if row.output else ''}{row.metric} {before}INT8 {row.value:.4g}")
    say(str(report.kernels))
    for demand in verdict.demands:
        say(demand.text if demand.outcome == "passed" else coloured(demand.outcome, demand.text))
    for text in verdict.warnings:
        say(f"{click.style('warning:', fg='yellow')} {text}")
    say(coloured(verdict.outcome, "passed" if verdict.passed else verdict.outcome.upper()))
