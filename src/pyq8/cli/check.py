"""`pyq8 check`."""

from __future__ import annotations

import click

from pyq8.cli.options import data_options, find_preprocess, json_option
from pyq8.cli.output import check_writable, progress_bars, write_json


@click.command("check")
@click.argument("fp32", metavar="FP32")
@click.argument("int8", metavar="INT8")
@click.option("--data", required=True, metavar="PATH", help="Images (folder) or arrays (.npz, .npy).")
@data_options
@click.option(
    "--metric",
    metavar="NAME",
    help="top1, top5, agreement, sqnr, cosine. Default: the first that applies "
    "of top1 (with labels), agreement (classifiers), sqnr.",
)
@click.option("--max-drop", type=float, metavar="PTS", help="Points that top1, top5, agreement may lose.  [default: 1]")
@click.option(
    "--min",
    "minimum",
    type=float,
    metavar="VALUE",
    help="What sqnr (dB) or cosine must reach.  [default: 15, 0.99]",
)
@click.option(
    "--min-int8",
    type=click.FloatRange(0, 1),
    metavar="FRACTION",
    help="Share of the convolutions that must run on INT8 kernels.",
)
@json_option
def command(
    fp32: str,
    int8: str,
    data: str,
    preset: str | None,
    preprocess_file: str | None,
    samples: int | None,
    split: str | None,
    seed: int | None,
    skip_bad: bool,
    metric: str | None,
    max_drop: float | None,
    minimum: float | None,
    min_int8: float | None,
    json_file: str | None,
) -> int:  # fmt: skip
    """Compare a quantized model with its FP32 original; exit with 1 if it lost too much.

    \b
    pyq8 check resnet50.onnx resnet50.int8.onnx --data photos/ --max-drop 0.5
    """
    from pyq8 import api

    check_writable(json_file, fp32, int8)
    with progress_bars() as progress:
        verdict = api.check(
            fp32,
            int8,
            data,
            metric=metric,
            max_drop=max_drop,
            minimum=minimum,
            min_int8=min_int8,
            preprocess=find_preprocess(preset, preprocess_file),
            samples=samples,
            split=split or "val",
            seed=seed,
            skip_bad=skip_bad,
            progress=progress,
        )
    if json_file != "-":
        assert verdict.report.accuracy is not None
        click.echo(f"{verdict.report.accuracy.samples} images")
        for row in verdict.report.accuracy.rows:
            before = "" if row.reference is None else f"FP32 {row.reference:.4g}, "
            click.echo(f"  {row.output}: {row.metric} {before}INT8 {row.value:.4g}")
        click.echo(str(verdict.report.kernels))
        for reason in verdict.reasons:
            click.echo(reason)
        click.echo("passed" if verdict.passed else "FAILED")
    write_json({"kind": "pyq8 check", "schema": 1, **verdict.to_json()}, json_file)
    return verdict.exit_code
