"""Several models in one `pyq8 quantize`: a model that fails does not stop the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyq8.cli.asked import check_asked, do_asked, find_doubts
from pyq8.cli.batch_list import list_models
from pyq8.cli.batch_table import Outcome, line, summary
from pyq8.cli.level import say, tell_path, warn
from pyq8.cli.options import open_executor
from pyq8.cli.output import check_writable, progress_bars, write_json
from pyq8.cli.quantize_options import parse
from pyq8.errors import DataError, ModelError, OutputError, Pyq8Error, UsageError

if TYPE_CHECKING:
    from pyq8.groundwork import Progress

INTERRUPTED = 130


def is_batch(model: str) -> bool:
    """Whether it names several models: a folder, or a list in TOML."""
    return Path(model).is_dir() or model.lower().endswith(".toml")


def quantize_batch(context: click.Context) -> int:
    """Quantize all of them; 0, or 3 where one failed, or 130 where Ctrl-C came between.

    Args:
        context: of a `pyq8 quantize` that names a folder or a list.

    Raises:
        Pyq8Error: what is found before the work.
    """
    asked = context.params
    json_file = asked["json_file"]
    lines = list_models(context)
    outs = [parse(arguments).params["output"] for arguments in lines]
    for folder in dict.fromkeys(Path(out).parent for out in outs if out is not None):
        _make_folder(folder)
    jobs = [(arguments, _check(arguments, json_file)) for arguments in lines]
    _check_apart(jobs)
    check_writable(json_file, *(arguments[-1] for arguments in lines))
    done: dict[int, Outcome] = {}
    try:
        with open_executor(asked["workers"], asked["dask"]) as executor, progress_bars() as progress:
            for number, outcome in _run(jobs, executor, progress):
                done[number] = outcome
                for warning in outcome.warnings:
                    warn(f"{outcome.model}: {warning}")
                if json_file != "-":
                    say(line(outcome, len(done), len(jobs)))
                    if outcome.error is None:
                        tell_path(outcome.out)
    except KeyboardInterrupt:
        written = sum(outcome.error is None for outcome in done.values())
        click.echo(f"pyq8: interrupted; {written} of {len(jobs)} models were written", err=True)
        return INTERRUPTED
    outcomes = [done[number] for number in range(len(jobs))]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if json_file != "-":
        say(summary(outcomes))
    models = [asdict(outcome) for outcome in outcomes]
    write_json({"kind": "pyq8 quantize batch", "schema": 1, "failed": len(failed), "models": models}, json_file)
    if failed:
        names = ", ".join(outcome.model for outcome in failed)
        click.echo(f"pyq8: {len(failed)} of {len(outcomes)} models failed: {names}", err=True)
    return 3 if failed else 0


def quantize_one(arguments: list[str], out: str, progress: Progress, executor: Executor | None) -> Outcome:
    """Quantize one model; whatever goes wrong is its outcome.

    Args:
        arguments: its command line, checked.
        out: where it goes.
        progress: called as images are done.
        executor: see `pyq8.quantize`.
    """
    from pyq8.runtime.environment import model_bytes

    model = arguments[-1]
    try:
        context = parse(arguments)
        result = do_asked(context, out, progress, executor)
        sizes = model_bytes(model), model_bytes(out)
        return Outcome(model, out, None, find_doubts(context, result), sizes, result.to_json())
    except Pyq8Error as error:
        return Outcome(model, out, str(error))
    except MemoryError:
        return Outcome(model, out, "out of memory; close other programs or use smaller images")
    except Exception as error:  # the others must not suffer from what is wrong with this one
        return Outcome(model, out, " ".join(f"{type(error).__name__}: {error}".split()))


def _run(
    jobs: Sequence[tuple[list[str], str]], executor: Executor | None, progress: Progress
) -> Iterator[tuple[int, Outcome]]:
    """Outcomes by number, as they come: a model a worker, or one after another."""
    if executor is None or len(jobs) == 1:
        for number, (arguments, out) in enumerate(jobs):
            name = f"[{number + 1}/{len(jobs)}] {Path(arguments[-1]).stem}"

            def step(stage: str, count: int, total: int | None, name: str = name) -> None:
                progress(f"{name}: {stage}", count, total)

            yield number, quantize_one(arguments, out, step, executor)
        return
    futures = {executor.submit(_quantize_alone, *job): number for number, job in enumerate(jobs)}
    for future in as_completed(futures):
        arguments, out = jobs[futures[future]]
        try:
            outcome = future.result()
        except Exception as error:  # its worker was lost again and again
            outcome = Outcome(arguments[-1], out, " ".join(str(error).split()) or type(error).__name__)
        yield futures[future], outcome


def _quantize_alone(arguments: list[str], out: str) -> Outcome:
    """In a worker."""
    return quantize_one(arguments, out, lambda *_: None, None)


def _check(arguments: list[str], json_file: str | None) -> str:
    """Where a model goes, if its options can be and its files are there.

    Raises:
        UsageError: they cannot; names the model.
        InputError: a file is missing; likewise.
    """
    try:
        context = parse(arguments)
        out = check_asked(context)
        check_writable(json_file, out)
        if not Path(arguments[-1]).exists():
            raise ModelError(f"{arguments[-1]}: no such file; give the path of an ONNX model")
        calib = context.params["calib"]
        if calib is not None and not Path(calib).exists():
            raise DataError(f"{calib}: does not exist; give a folder of images, .npz or .npy")
        return out
    except Pyq8Error as error:
        text = str(error)
        raise type(error)(text if arguments[-1] in text else f"{arguments[-1]}: {text}") from None


def _check_apart(jobs: Sequence[tuple[list[str], str]]) -> None:
    """Refuse two models that would write the same file, or one that would overwrite another model.

    Raises:
        UsageError: naming the file.
    """
    models = {Path(arguments[-1]).resolve() for arguments, _ in jobs}
    asked = [parse(arguments).params for arguments, _ in jobs]
    more = [params[name] for params in asked for name in ("save_plan", "fallback")]
    files = [Path(file) for file in (*(out for _, out in jobs), *more) if file]
    counts = Counter(file.resolve() for file in files)
    for file in files:
        if counts[file.resolve()] > 1:
            raise UsageError(f"{file}: two models would write it; give each an `out` of its own")
        if file.resolve() in models:
            raise UsageError(f"{file}: would overwrite another of the models; give another `out`")


def _make_folder(folder: Path) -> None:
    """So that models have where to go.

    Raises:
        OutputError: it cannot be made, or is a file.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be a folder for models ({error.strerror}); give another") from None
