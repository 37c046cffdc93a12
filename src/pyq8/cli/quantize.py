"""`pyq8 quantize`."""

from __future__ import annotations

from typing import Any

import click

from pyq8.cli.asked import check_asked, do_asked, find_doubts
from pyq8.cli.options import data_options, json_option, open_executor, worker_options
from pyq8.cli.output import progress_bars, write_json
from pyq8.cli.result import show


@click.command("quantize")
@click.argument("model", metavar="MODEL|FOLDER|BATCH.toml")
@click.option("--calib", metavar="PATH", help="Images (folder) or arrays (.npz, .npy).")
@click.option("-o", "--output", metavar="OUT", help="Default: MODEL with .int8.onnx; a folder for several models.")
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
@click.option("--save-plan", metavar="FILE", help="Write the plan as JSON, to edit and to replay.")
@click.option(
    "--plan", metavar="FILE", help="Replay a plan instead of calibrating; --calib, if given, only compares with FP32."
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
    out = check_asked(context)
    with open_executor(options["workers"], options["dask"]) as executor, progress_bars() as progress:
        result = do_asked(context, out, progress, executor)
    for doubt in find_doubts(context, result):
        click.echo(f"warning: {doubt}", err=True)
    if json_file != "-":
        show(result, model, options["calib"], out, options["plan"])
    write_json(result.to_json(), json_file)
    return 0
