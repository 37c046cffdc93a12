"""The options of `pyq8 quantize`, for one model and for each of several."""

from __future__ import annotations

from typing import Any

import click

from pyq8.cli import names
from pyq8.cli.options import F, data_options, json_option, worker_options
from pyq8.cli.usage import message
from pyq8.errors import UsageError

_OPTIONS = (
    click.argument("model", type=names.MODEL, metavar="MODEL|FOLDER|BATCH.toml"),
    click.option("--calib", type=names.PATH, help="Images (folder) or arrays (.npz, .npy)."),
    click.option(
        "-o",
        "--output",
        type=names.PATH,
        metavar="OUT",
        help="Default: MODEL with .int8.onnx; a folder for several models.",
    ),
    data_options,
    click.option(
        "--observer",
        type=names.OBSERVER,
        default="percentile",
        show_default=True,
        help="How ranges are chosen: percentile, mse, kl, minmax.",
    ),
    click.option(
        "--format",
        "format_",
        type=names.FORMAT,
        default="qdq",
        show_default=True,
        help="qdq, qoperator, or pyq8: in pyq8's own INT8 kernels.",
    ),
    click.option(
        "--fallback", type=names.PATH, metavar="FILE", help="Of --format pyq8: write the same model in QDQ form too."
    ),
    click.option(
        "--target",
        type=names.TARGET,
        default="auto",
        show_default=True,
        help="vnni, avx2 (weights that saturate on no CPU), or auto: this CPU.",
    ),
    click.option(
        "--input",
        "input_",
        type=names.INPUT,
        default="float",
        show_default=True,
        help="What the INT8 model takes: float, as before, or uint8: pixels 0..255, the normalization inside.",
    ),
    click.option(
        "--layout", type=names.LAYOUT, default="nhwc", show_default=True, help="With --input uint8: nhwc or nchw."
    ),
    click.option("--color", type=names.COLOR, default="rgb", show_default=True, help="With --input uint8: rgb or bgr."),
    click.option(
        "--placement",
        type=names.PLACEMENT,
        default="cost",
        show_default=True,
        help="cost: FP32 where that is estimated faster; all: INT8 wherever there is a kernel.",
    ),
    click.option(
        "--effort",
        type=names.EFFORT,
        default="default",
        show_default=True,
        help="Work put into accuracy: fast, default or best.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="PATTERN", help="Node that stays FP32; name or pattern, repeatable."
    ),
    click.option("--save-plan", type=names.PATH, metavar="FILE", help="Write the plan as JSON, to edit and to replay."),
    click.option(
        "--plan",
        type=names.PATH,
        metavar="FILE",
        help="Replay a plan instead of calibrating; --calib, if given, only compares with FP32.",
    ),
    click.option(
        "--report",
        type=names.PATH,
        metavar="FILE.html",
        help="Write what was found, on the calibration images, as an HTML page.",
    ),
    worker_options,
    json_option,
)


def quantize_options(command: F) -> F:
    """MODEL, and all that `pyq8 quantize` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("quantize")
@quantize_options
def _one_model(**_: Any) -> None:
    """What the command line of one of several models looks like."""


def parse(arguments: list[str]) -> click.Context:
    """The context of one model's command line.

    Raises:
        UsageError: a value that an option cannot have.
    """
    try:
        return _one_model.make_context("quantize", list(arguments))
    except click.ClickException as error:
        raise UsageError(f"{arguments[-1]}: {message(error)}") from None
