"""`pyq8 quantize`."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyq8.cli.options import check_data_options, data_options, find_preprocess, json_option
from pyq8.cli.output import check_writable, decibel, mib, progress_bars, write_json
from pyq8.errors import UsageError

if TYPE_CHECKING:
    from pyq8.result import Result


@click.command("quantize")
@click.argument("model", metavar="MODEL")
@click.option("--calib", required=True, metavar="PATH", help="Images (folder) or arrays (.npz, .npy).")
@click.option("-o", "--output", metavar="OUT", help="Default: MODEL with .int8.onnx.")
@data_options
@click.option(
    "--observer",
    default="percentile",
    show_default=True,
    metavar="NAME",
    help="How ranges are chosen: percentile, mse, kl, minmax.",
)
@click.option("--format", "format_", default="qdq", show_default=True, metavar="NAME", help="qdq or qoperator.")
@click.option(
    "--target",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="vnni, avx2 (7-bit weights), or auto: this CPU.",
)
@click.option(
    "--input",
    "input_",
    default="float",
    show_default=True,
    metavar="NAME",
    help="What the INT8 model takes: float, as before, or uint8: pixels 0..255, the normalization inside.",
)
@click.option("--layout", default="nhwc", show_default=True, metavar="NAME", help="With --input uint8: nhwc or nchw.")
@click.option("--color", default="rgb", show_default=True, metavar="NAME", help="With --input uint8: rgb or bgr.")
@click.option(
    "--placement",
    default="cost",
    show_default=True,
    metavar="NAME",
    help="cost: FP32 where that is estimated faster; all: INT8 wherever there is a kernel.",
)
@click.option(
    "--effort",
    default="default",
    show_default=True,
    metavar="NAME",
    help="Work put into accuracy: fast, default or best.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Node that stays FP32; name or pattern, repeatable.")
@json_option
def command(
    model: str,
    calib: str,
    output: str | None,
    preset: str | None,
    preprocess_file: str | None,
    samples: int | None,
    split: str | None,
    seed: int | None,
    skip_bad: bool,
    observer: str,
    format_: str,
    target: str,
    input_: str,
    layout: str,
    color: str,
    placement: str,
    effort: str,
    exclude: tuple[str, ...],
    json_file: str | None,
) -> None:  # fmt: skip
    """Quantize an FP32 ONNX CNN to INT8, from a folder of images, without retraining.

    \b
    pyq8 quantize resnet50.onnx --calib photos/ --preset imagenet
    """
    from pyq8 import api
    from pyq8.effort import EFFORTS
    from pyq8.observers import OBSERVERS
    from pyq8.pixel_input import pixel_input
    from pyq8.provenance import remembered_preprocess
    from pyq8.rewrite import FORMATS

    out = output or f"{model.removesuffix('.onnx')}.int8.onnx"
    if Path(out).resolve() == Path(model).resolve():
        raise UsageError(f"-o {out}: would overwrite the FP32 model; give another name")
    OBSERVERS.get(observer)
    EFFORTS.get(effort)
    FORMATS.get(format_)
    api.weight_type(target)
    check_writable(out)
    check_writable(json_file, model, out)
    how = (None, None) if input_ == "uint8" else (preset, preprocess_file)  # there the normalization is for the model
    check_data_options(calib, *how, split, skip_bad)
    preprocess = find_preprocess(preset, preprocess_file)
    pixel_input(input_, layout, color, preprocess)
    with progress_bars() as progress:
        result = api.quantize(
            model,
            calib,
            preprocess=preprocess,
            samples=samples or 100,
            split=split or "calib",
            seed=seed,
            skip_bad=skip_bad,
            observer=observer,
            format=format_,
            target=target,
            placement=placement,
            effort=effort,
            exclude=exclude,
            input=input_,
            layout=layout,
            color=color,
            progress=progress,
        )
    result.save(out)
    if preprocess is None and Path(calib).is_dir():
        used = remembered_preprocess(result.model)
        click.echo(
            f"warning: preprocessing was guessed ({used}); say --preset or --preprocess if it is wrong",
            err=True,
        )
    kept = next((p.refused for p in result.passes if p.name == "fold_pixels" and not p.changed), {})
    for reason in kept.values():
        click.echo(f"warning: normalization stays FP32, in front of the first convolution: {reason}", err=True)
    if json_file != "-":
        show(result, model, calib, out)
    write_json(result.to_json(), json_file)


def show(result: Result, model: str, calib: str, out: str) -> None:
    """Ten lines that say what happened."""
    kernels, layers, accuracy = result.report.kernels, result.report.layers, result.report.accuracy
    assert layers is not None and accuracy is not None
    seconds = sum(result.seconds.values())
    skipped = f" ({len(result.skipped)} unreadable ones left out)" if result.skipped else ""
    click.echo(f"{model} -> {out}  ({mib(model)} -> {mib(out)})")
    click.echo(f"calibrated  {result.calibration.samples} images{skipped}, observer {result.config.observer}")
    click.echo(f"images      {result.report.halves}")
    click.echo(f"took        {seconds:.1f} s, peak memory {result.peak_rss_mib:.0f} MiB")
    int8 = len(result.plan.int8_nodes) + len(result.plan.absorbed)
    click.echo(f"nodes       {int8} INT8, {len(result.plan.float_nodes)} FP32")
    for reason, count in Counter(result.plan.float_nodes.values()).most_common(4):
        click.echo(f"            {count:4d} FP32: {reason}")
    click.echo(f"kernels     {kernels}")
    outputs = [f"{r.output} {decibel(r.value)}" for r in accuracy.rows if r.metric == "sqnr"]
    click.echo(f"outputs     SQNR on {accuracy.samples} calibration images: {', '.join(outputs[:6])}")
    worst = [f"{r.node} {decibel(r.sqnr)}" for r in layers.rows[:3]]
    click.echo(f"worst       {', '.join(worst)}")
    click.echo(f"next        {shlex.join(['pyq8', 'check', model, out, '--data', calib])}")
