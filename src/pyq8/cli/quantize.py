"""`pyq8 quantize`."""

from __future__ import annotations

from typing import Any

import click

from pyq8.cli.asked import check_asked, do_asked, find_doubts
from pyq8.cli.level import line, tell_path, warn
from pyq8.cli.options import open_executor
from pyq8.cli.output import progress_bars, write_json
from pyq8.cli.quantize_options import quantize_options
from pyq8.cli.report import check_report, write_report
from pyq8.cli.result import show, show_details
from pyq8.errors import OutputError


@click.command("quantize")
@quantize_options
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
    doubts = find_doubts(context, result)
    for doubt in doubts:
        warn(doubt)
    if json_file != "-":
        show(result, model, options["calib"], out, options["plan"])
        tell_path(out)
    show_details(result)
    if report is not None:
        made = result if options["plan"] is None else None  # with a plan, the images are for comparing only
        try:
            write_report(context, made, (model, out, options["calib"]), report)
        except OutputError as error:
            raise OutputError(f"{error}; the model is kept: {out}") from None
        if json_file != "-":
            line("report", report)
    write_json({**result.to_json(), "warnings": doubts}, json_file)
    return 0
