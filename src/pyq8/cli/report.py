"""`pyq8 report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pyq8.cli import names
from pyq8.cli.check import command as check
from pyq8.cli.check import say_usual
from pyq8.cli.level import line, say, tell_path
from pyq8.cli.options import DATA, check_data_options, data_options, image_arguments, json_option
from pyq8.cli.output import check_writable, command_line, progress_bars, write_json
from pyq8.errors import UsageError

if TYPE_CHECKING:
    from pyq8.result import Result

OF_CHECK = ("metric", "max_drop", "minimum", "confidence", "criterion", "baseline", "min_int8", "truth", "detector")
"""Options that mean the same here."""


@click.command("report", params=[p for p in check.params if p.name in OF_CHECK])
@click.argument("fp32", metavar="FP32", type=names.MODEL)
@click.argument("int8", metavar="INT8", type=names.MODEL)
@click.option("--data", required=True, type=names.PATH, metavar="PATH", help="Images (folder) or arrays (.npz, .npy).")
@data_options
@click.option(
    "-o", "--output", type=names.PATH, default="report.html", show_default=True, metavar="FILE.html", help="The page."
)
@click.option("--classes", type=names.PATH, metavar="FILE", help="Names of the classes, one a line.")
@click.option(
    "--rounds",
    type=click.IntRange(min=0),
    default=6,
    show_default=True,
    metavar="N",
    help="How often either model is started to be timed; 0: not at all.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    metavar="S",
    help="How long a model runs in a round.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    fp32: str,
    int8: str,
    data: str,
    output: str,
    classes: str | None,
    rounds: int,
    seconds: float,
    json_file: str | None,
    **asked: Any,
) -> int:  # fmt: skip
    """Check a quantized model, look into it, and write what was found as one HTML page.

    Exits as `pyq8 check` does; the page is written whatever the verdict is.

    \b
    pyq8 report resnet50.onnx resnet50.int8.onnx --data photos/ -o report.html
    """
    from pyq8.files import write_text
    from pyq8.report.page import check_extra, render

    check_extra()
    check_data_options(data, asked)
    images = {name: asked.pop(name) for name in DATA}
    for file in (output, json_file):
        check_writable(file, fp32, int8)

    from pyq8.report.gather import gather, now, read_classes
    from pyq8.report.timing import Timing

    labels = read_classes(classes) if classes else ()
    with progress_bars() as progress:
        document = gather(
            fp32,
            int8,
            data,
            command=command_line(context),
            made=now(),
            **image_arguments(images, "val"),
            classes=labels,
            timing=Timing(rounds, seconds),
            progress=progress,
            **asked,
        )
    write_text(render(document), output)
    verdict = document.verdict
    if json_file != "-":
        say_usual(asked["metric"], verdict)
        for reason in verdict.reasons:
            say(reason)
        say("passed" if verdict.passed else verdict.outcome.upper())
        line("report", output)
        tell_path(output)
    write_json({"kind": "pyq8 report", "schema": 1, **document.to_json()}, json_file)
    return verdict.exit_code


def check_report(calib: str | None) -> None:
    """Find out before `quantize` works that its report can be made.

    Raises:
        UsageError: there are no images, or jinja2 is not installed.
    """
    from pyq8.report.page import check_extra

    if calib is None:
        raise UsageError("--report compares the models on images: add --calib PATH")
    check_extra()


def write_report(context: click.Context, result: Result | None, paths: tuple[str, str, str], file: str) -> None:
    """The report of `quantize`, on its calibration images.

    Args:
        context: of the command.
        result: of the quantization, saved; None where a plan was replayed: then the images are others.
        paths: of the FP32 model, the INT8 model and the images.
        file: the page.
    """
    from pyq8.files import write_text
    from pyq8.report.gather import gather, now
    from pyq8.report.page import render

    chosen = image_arguments(context.params, "calib", samples=100)
    with progress_bars() as progress:
        command = command_line(context)
        document = gather(*paths, command=command, made=now(), result=result, progress=progress, **chosen)
    write_text(render(document), file)
