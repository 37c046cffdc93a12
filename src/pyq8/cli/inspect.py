"""`pyq8 inspect`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from pyq8.cli import names
from pyq8.cli.level import line, say, warn
from pyq8.cli.options import check_data_options, data_options, image_arguments, json_option, said
from pyq8.cli.output import check_writable, progress_bars, warn_of_saturation, write_json
from pyq8.cli.style import dim
from pyq8.errors import UsageError


@click.command("inspect")
@click.argument("model", type=names.MODEL, metavar="MODEL")
@click.option("--data", type=names.PATH, help="Rank the layers of an FP32 MODEL by their error on these images.")
@data_options
@click.option("--observer", type=names.OBSERVER, help="With --data: as for quantize.")
@click.option("--target", type=names.TARGET, help="With --data: as for quantize.")
@click.option("--placement", type=names.PLACEMENT, help="With --data: as for quantize.")
@click.option("--effort", type=names.EFFORT, help="With --data: as for quantize.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="With --data: as for quantize.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    model: str,
    data: str | None,
    observer: str | None,
    target: str | None,
    placement: str | None,
    effort: str | None,
    exclude: tuple[str, ...],
    json_file: str | None,
    **images: Any,
) -> None:  # fmt: skip
    """Show which kernel runs every node of MODEL on this machine, and why the others do not run in INT8.

    With --data, MODEL is FP32: which layers would lose most in INT8, why, and what they cost.

    \b
    pyq8 inspect resnet50.onnx --data photos/ --preset imagenet
    """
    from pyq8 import cpu

    check_writable(json_file, model)
    chosen = {"observer": observer, "target": target, "placement": placement, "effort": effort,
              "exclude": exclude or None}  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    if data is None:
        if any(said(context, name) for name in (*images, *given)):
            raise UsageError("the options but --json say how layers are ranked: add --data PATH, or leave them out")
        found, kind = _show_kernels(model, json_file), "pyq8 inspect"
    else:
        check_data_options(data, images)
        given |= image_arguments(images, "calib", samples=32)
        preset, file = images["preset"], images["preprocess_file"]
        how = ["--preset", preset] if preset else ["--preprocess", file] if file else []
        found, kind = _show_layers(model, data, how, json_file, given), "pyq8 layers"
    write_json({"kind": kind, "schema": 1, "cpu": cpu.describe(), **found}, json_file)


def _show_kernels(model: str, json_file: str | None) -> dict[str, Any]:
    from pyq8 import api, cpu

    report = api.inspect(model)
    warn_of_saturation(model)
    if json_file != "-":
        width = max((len(r.node) for r in report.rows), default=4)
        for row in report.rows:
            kind = "INT8" if row.int8 else "FP32"
            fast = {True: "fast path", False: "slow path", None: ""}[row.fast]
            text = f"{row.node:{width}}  {kind}  {row.kernel or '(fused or folded)'}  {fast}"
            say(f"{text} {dim(f'({row.reason})')}" if row.reason else text.rstrip())
        say(str(report))
        say(dim(cpu.describe()))
    return report.to_json()


def _show_layers(
    model: str, data: str, how: list[str], json_file: str | None, options: dict[str, Any]
) -> dict[str, Any]:
    from pyq8.model.file import load
    from pyq8.model.parts import find_random
    from pyq8.ranking.rank import rank_layers

    with progress_bars() as progress:
        report = rank_layers(model, data, progress=progress, **options)
    for note in find_random(load(model)):
        warn(note)
    if options["preprocess"] is None and Path(data).is_dir():
        warn("preprocessing was guessed; say --preset or --preprocess if it is wrong")
    if json_file != "-":
        say(str(report))
        following = ["pyq8", "quantize", model, "--calib", data, *how, "--exclude", report.rows[0].group]
        line("next", shlex.join(following))
    return report.to_json()
