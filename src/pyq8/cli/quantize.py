"""`pyq8 quantize`."""

from __future__ import annotations

from typing import Any

import click

from pyq8.cli import names
from pyq8.cli.asked import check_asked, do_asked, find_doubts
from pyq8.cli.level import line, tell_path, warn
from pyq8.cli.options import data_options, find_preprocess, json_option, open_executor, worker_options
from pyq8.cli.output import progress_bars, write_json
from pyq8.cli.report import check_report, write_report
from pyq8.cli.result import show, show_details
from pyq8.errors import OutputError


@click.command("quantize")
@click.argument("model", type=names.MODEL, metavar="MODEL|FOLDER|BATCH.toml")
@click.option("--calib", type=names.PATH, help="Images (folder) or arrays (.npz, .npy).")
@click.option(
    "-o",
    "--output",
    type=names.PATH,
    metavar="OUT",
    help="Default: MODEL with .int8.onnx; a folder for several models.",
)
@data_options
@click.option(
    "--observer",
    type=names.OBSERVER,
    default="percentile",
    show_default=True,
    help="How ranges are chosen: percentile, mse, kl, minmax.",
)
@click.option("--format", "format_", type=names.FORMAT, default="qdq", show_default=True,
              help="qdq, qoperator, or pyq8: in pyq8's own INT8 kernels.")  # fmt: skip
@click.option("--fallback", type=names.PATH, metavar="FILE",
              help="Of --format pyq8: write the same model in QDQ form too.")  # fmt: skip
@click.option(
    "--target",
    type=names.TARGET,
    default="auto",
    show_default=True,
    help="vnni, avx2 (weights that saturate on no CPU), or auto: this CPU.",
)
@click.option(
    "--input",
    "input_",
    type=names.INPUT,
    default="float",
    show_default=True,
    help="What the INT8 model takes: float, as before, or uint8: pixels 0..255, the normalization inside.",
)
@click.option(
    "--layout", type=names.LAYOUT, default="nhwc", show_default=True, help="With --input uint8: nhwc or nchw."
)
@click.option("--color", type=names.COLOR, default="rgb", show_default=True, help="With --input uint8: rgb or bgr.")
@click.option(
    "--placement",
    type=names.PLACEMENT,
    default="cost",
    show_default=True,
    help="cost: FP32 where that is estimated faster; all: INT8 wherever there is a kernel.",
)
@click.option(
    "--effort",
    type=names.EFFORT,
    default="default",
    show_default=True,
    help="Work put into accuracy: fast, default or best.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Node that stays FP32; name or pattern, repeatable.")
@click.option("--save-plan", type=names.PATH, metavar="FILE", help="Write the plan as JSON, to edit and to replay.")
@click.option(
    "--plan",
    type=names.PATH,
    metavar="FILE",
    help="Replay a plan instead of calibrating; --calib, if given, only compares with FP32.",
)
@click.option(
    "--report",
    type=names.PATH,
    metavar="FILE.html",
    help="Write what was found, on the calibration images, as an HTML page.",
)
@worker_options
@json_option
@click.pass_context
def command(context: click.Context, /, model: str, json_file: str | None, **options: Any) -> int:
    """Quantize an FP32 ONNX CNN to INT8, from a folder of images, without retraining.

    A folder of models, or a list of them in TOML, is quantized one after another, or one a worker; a model that fails
    does not stop the others, and the exit code is 3.

    \b
    pyq8 quantize resnet50.onnx --calib photos/ --preset imagenet
    pyq8 quantize models/ --calib photos/ --preset imagenet -o out/ --workers 2
    """
    from pyq8.cli.batch import is_batch, quantize_batch

    if is_batch(model):
        return quantize_batch(context)
    out, report = check_asked(context), options["report"]
    if report is not None:
        check_report(options["calib"])
    with open_executor(options["workers"], options["dask"]) as executor, progress_bars() as progress:
        result = do_asked(context, out, progress, executor)
    for doubt in find_doubts(context, result):
        warn(doubt)
    if json_file != "-":
        show(result, model, options["calib"], out, options["plan"])
        tell_path(out)
    show_details(result)
    if report is not None:
        made = result if options["plan"] is None else None  # with a plan, the images are for comparing only
        how = {name: options[name] for name in ("samples", "split", "seed", "skip_bad")}
        preprocess = find_preprocess(options["preset"], options["preprocess_file"])
        try:
            write_report(context, made, (model, out, options["calib"]), report, preprocess=preprocess, **how)
        except OutputError as error:
            raise OutputError(f"{error}; the model is kept: {out}") from None
        if json_file != "-":
            line("report", report)
    write_json(result.to_json(), json_file)
    return 0
