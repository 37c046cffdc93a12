"""`pyq8 bench`."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from pyq8.cli.options import json_option
from pyq8.cli.output import check_writable, write_json
from pyq8.errors import UsageError

if TYPE_CHECKING:
    from tqdm import tqdm


@click.command("bench")
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option("--batch", default="1", show_default=True, metavar="N,N", help="Batch sizes.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Default: the physical cores.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="How often every model is started.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="S",
    help="How long a model runs in a round.",
)
@json_option
def command(
    models: tuple[str, ...],
    batch: str,
    threads: int | None,
    rounds: int,
    seconds: float,
    json_file: str | None,
) -> None:
    """Time models against the first one: each alone in its own process, in turn.

    \b
    pyq8 bench resnet50.onnx resnet50.int8.onnx --batch 1,16
    """
    from tqdm import tqdm as make

    from pyq8.verify.speed import time_models

    try:
        sizes = [int(n) for n in batch.split(",")]
    except ValueError:
        sizes = [0]
    if min(sizes) < 1:
        raise UsageError(f"--batch {batch!r}: give whole numbers from 1, like 1,16")
    check_writable(json_file, *models)
    reports = []
    for size in sizes:
        with make(
            total=rounds * len(models), desc=f"batch {size}", leave=False, disable=not sys.stderr.isatty()
        ) as bar:
            report = time_models(
                models,
                batch=size,
                threads=threads,
                rounds=rounds,
                seconds=seconds,
                progress=partial(_advance, bar),
            )
        reports.append(report)
        if json_file != "-":
            click.echo(str(report))
    write_json({"kind": "pyq8 bench", "schema": 1, "reports": [r.to_json() for r in reports]}, json_file)


def _advance(bar: tqdm[Any], done: int, total: int) -> None:
    del done, total
    bar.update(1)
