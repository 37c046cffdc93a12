"""`pyq8 tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyq8.cli import names
from pyq8.cli.level import say, tell_path
from pyq8.cli.method_options import method_arguments, method_options
from pyq8.cli.options import (
    check_data_options,
    data_options,
    give_way,
    image_arguments,
    json_option,
    open_executor,
    worker_options,
)
from pyq8.cli.output import check_writable, progress_bars, write_json
from pyq8.cli.style import dim, verdict
from pyq8.errors import UsageError

if TYPE_CHECKING:
    from pyq8.tuning.notebook import Step
    from pyq8.tuning.result import Tuning

INTERRUPTED = 130
LISTED = 12
"""Groups in FP32 that are printed."""


@click.command("tune")
@click.argument("model", type=names.MODEL, metavar="FP32")
@click.option("--calib", type=names.PATH, required=True, help="Images (folder) or arrays to calibrate on.")
@click.option("--data", type=names.PATH, required=True, help="Images (folder) or arrays to judge by.")
@click.option("-o", "--output", type=names.PATH, metavar="OUT", help="Default: FP32 with .int8.onnx.")
@click.option("--max-drop", type=float, callback=give_way, metavar="PTS", help="What the metric may lose, in points.")
@click.option(
    "--min", "minimum", type=float, callback=give_way, metavar="VALUE", help="What sqnr (dB) or cosine must reach."
)
@click.option("--max-latency", metavar="MS", help="Of one image, in ms, or as a multiple of FP32's, like 0.6x.")
@click.option("--metric", type=names.METRIC, help="As for check, module:function of your own too.")
@data_options
@click.option(
    "--search-samples",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    metavar="N",
    help="Images that a trial runs on, at most.",
)
@click.option("--confidence", type=float, default=0.95, show_default=True, metavar="P", help="Of the verdict.")
@click.option("--truth", type=names.TRUTH, default="annotations", show_default=True, help="As for check.")
@click.option("--detector", type=names.PATH, metavar="FILE.toml", help="As for check.")
@method_options
@worker_options
@json_option
def command(
    model: str,
    calib: str,
    data: str,
    output: str | None,
    max_drop: float | None,
    minimum: float | None,
    max_latency: str | None,
    metric: str | None,
    search_samples: int,
    confidence: float,
    truth: str,
    detector: str | None,
    workers: int | None,
    dask: str | None,
    json_file: str | None,
    **options: Any,
) -> int:  # fmt: skip
    """Quantize, and return to FP32 the nodes that lose too much for the time they save.

    OUT always holds the best model so far, and OUT.tune.json what was found: interrupted, the same command goes on from
    there. Exits with 0 if the model passed on images that the search never saw, 1 if a demand cannot be met or it
    failed, 4 if there are too few images to tell.

    \b
    pyq8 tune resnet50.onnx --calib photos/ --data photos/ --preset imagenet --max-drop 0.5
    """
    from pyq8.rewrite import check_format
    from pyq8.tuning.tune import tune

    out = output or f"{model.removesuffix('.onnx')}.int8.onnx"
    if Path(out).resolve() == Path(model).resolve():
        raise UsageError(f"-o {out}: would overwrite the FP32 model; give another name")
    check_format(options["format_"])
    check_writable(out)
    check_writable(json_file, model, out)
    check_data_options(calib, options, besides=("split",))
    check_data_options(data, options)
    table = _Table(quiet=json_file == "-")
    try:
        with open_executor(workers, dask) as executor, progress_bars() as progress:
            found = tune(
                model,
                calib,
                data,
                out,
                max_drop=max_drop,
                minimum=minimum,
                max_latency=max_latency,
                metric=metric,
                truth=truth,
                detector=detector,
                confidence=confidence,
                search_samples=search_samples,
                watch=table.add,
                say=table.say,
                executor=executor,
                progress=progress,
                **method_arguments(options),
                **image_arguments(options, "val", samples=100),
            )
    except KeyboardInterrupt:
        if not table.rows and not Path(f"{out}.tune.json").exists():
            raise
        best = f"is the best of {table.rows} trials" if table.rows else "is as it was"
        click.echo(f"pyq8: interrupted; {out} {best}, and the same command goes on from there", err=True)
        return INTERRUPTED
    if json_file != "-":
        show(found, out)
        tell_path(out)
    write_json(found.to_json(), json_file)
    return found.exit_code


class _Table:
    """The trials as they are done."""

    def __init__(self, quiet: bool) -> None:
        self.rows, self._quiet = 0, quiet

    def say(self, line: str) -> None:
        if not self._quiet:
            say(line)

    def add(self, step: Step) -> None:
        if not self.rows:
            self.say(f"trial  FP32 groups  {step.column:>12}  ms (estimated)")
        self.rows += 1
        notes = ["from before"] * step.known + ["best so far"] * step.best
        if step.left and step.seconds is not None:
            notes.append(f"about {step.left} more, {_duration(step.seconds)}")
        self.say(_row(step.number, len(step.trial.floats), step.score, step.trial.ms, ", ".join(notes)))


def show(found: Tuning, out: str) -> None:
    """What to choose from, what was chosen, and whether it passed."""
    say(f"{dim('front')}  FP32 groups  {found.column:>12}  ms (measured)")
    fp32, *rows = found.speed.rows
    for trial, row in zip(found.front, rows, strict=True):
        note = f"{row.ratio:.2f} times as fast as FP32" + ", kept" * (trial == found.best)
        score = trial.shown(found.yardstick)
        say(_row("", len(trial.floats), score, row.p50_ms / row.batch, note))
    say(_row("", "all", "", fp32.p50_ms / fp32.batch, "FP32"))
    floats = found.best.floats
    for name in floats[:LISTED]:
        say(f"{dim('FP32')}   {name}")
    if len(floats) > LISTED:
        say(f"FP32   and {len(floats) - LISTED} more groups, see --json")
    say(
        f"{dim('cost')}   {found.searched} trials of {found.images} images, and as much as {found.side_cost:.1f} for "
        f"ranking; {out}.tune.json keeps them for other demands"
    )
    for line in (*found.missed, *found.reasons):
        say(line)
    word = {0: "passed", 1: "FAILED"}.get(found.exit_code, "INCONCLUSIVE")
    say(verdict(word, word))


def _row(number: int | str, groups: int | str, score: float | str, ms: float, note: str) -> str:
    shown = f"{score:.4g}" if isinstance(score, float) else score
    return f"{number:5}  {groups:>11}  {shown:>12}  {ms:7.2f}  {note}".rstrip()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"
