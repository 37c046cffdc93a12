"""`pyq8 bench`."""

from __future__ import annotations

import click

from pyq8.cli import names
from pyq8.cli.level import say
from pyq8.cli.options import json_option
from pyq8.cli.output import check_writable, no_bars, warn_of_saturation, write_json
from pyq8.errors import UsageError


@click.command("bench")
@click.argument("models", type=names.MODEL, metavar="MODEL...", nargs=-1, required=True)
@click.option("--batch", default="1", show_default=True, metavar="N,N", help="Batch sizes.")
@click.option("--threads", metavar="N,N", help="Numbers of threads. Default: the physical cores.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    metavar="N",
    help="How often every model is started; 6 are the fewest that give a 95 % interval.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="S",
    help="How long a model runs in a round.",
)
@click.option("--size", metavar="HxW", help="Image size, where the model leaves it open. Default: 224x224.")
@click.option("--profile", is_flag=True, help="Show the time of every operator and node, beside the first model's.")
@json_option
def command(
    models: tuple[str, ...],
    batch: str,
    threads: str | None,
    rounds: int,
    seconds: float,
    size: str | None,
    profile: bool,
    json_file: str | None,
) -> None:
    """Time models against the first one: each alone in its own process, in turn.

    MODEL is an ONNX file or, with the package openvino installed, OpenVINO's NAME.xml.

    \b
    pyq8 bench resnet50.onnx resnet50.int8.onnx --batch 1,16 --threads 1,2
    """
    from tqdm import tqdm

    from pyq8.bench.speed import time_models

    batches = _numbers("--batch", batch, ",")
    counts = None if threads is None else _numbers("--threads", threads, ",")
    sides = None if size is None else _numbers("--size", size.lower(), "x", 2)
    check_writable(json_file, *models)
    with tqdm(desc="bench", leave=False, disable=no_bars()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = time_models(
            models,
            batch=batches,
            threads=counts,
            rounds=rounds,
            seconds=seconds,
            size=None if sides is None else (sides[0], sides[1]),
            profile=profile,
            progress=progress,
        )
    for model in dict.fromkeys(models):
        warn_of_saturation(model)
    if json_file != "-":
        say(str(report))
        if profile:
            _say_what_is_missing(models, [p.path for p in report.profiles])
    write_json({"kind": "pyq8 bench", "schema": 2, **report.to_json()}, json_file)


def _say_what_is_missing(models: tuple[str, ...], profiled: list[str]) -> None:
    """Why there are fewer profiles or comparisons than models."""
    say("")
    for model in dict.fromkeys(models):
        if model not in profiled:
            say(f"{model}: not profiled; the profiler is ONNX Runtime's")
    if len(models) == 1:
        say("nothing to compare with: give the FP32 model first and the INT8 model behind it")


def _numbers(option: str, text: str, separator: str, count: int | None = None) -> list[int]:
    """Whole numbers from 1.

    Raises:
        UsageError: it is something else.
    """
    try:
        numbers = [int(n) for n in text.split(separator)]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1 or count not in (None, len(numbers)):
        example = separator.join(("224", "224") if count else ("1", "16"))
        raise UsageError(f"{option} {text!r}: give whole numbers from 1, like {example}")
    return numbers
