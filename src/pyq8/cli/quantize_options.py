"""The options of `pyq8 quantize`, for one model and for each of several."""

from __future__ import annotations

from typing import Any

import click

from pyq8.cli import names
from pyq8.cli.method_options import method_options
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
    method_options,
    click.option(
        "--fallback", type=names.PATH, metavar="FILE", help="Of --format pyq8: write the same model in QDQ form too."
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
