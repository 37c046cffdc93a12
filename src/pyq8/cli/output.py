"""What commands print: JSON, progress, sizes."""

from __future__ import annotations

import json
import math
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyq8.cli.level import detail, quiet, warn
from pyq8.cli.options import said
from pyq8.errors import OutputError, UsageError
from pyq8.files import write_text

if TYPE_CHECKING:
    from tqdm import tqdm

    from pyq8.groundwork import Progress


def write_json(data: dict[str, Any], file: str | None) -> None:
    """Strict JSON: what is not finite becomes null.

    Raises:
        OutputError: the file cannot be written.
    """
    if file is None:
        return
    text = json.dumps(_finite(data), indent=1, allow_nan=False)
    if file == "-":
        click.echo(text)
    else:
        write_text(text + "\n", file)


def check_writable(file: str | Path | None, *models: str) -> None:
    """Find out before the work that a result can be kept.

    Raises:
        OutputError: its folder is missing.
        UsageError: it is one of the models.
    """
    if file is None or str(file) == "-":
        return
    path = Path(file)
    if any(path.resolve() == Path(model).resolve() for model in models):
        raise UsageError(f"{path}: would overwrite the model; give another name")
    if path.is_dir():
        raise OutputError(f"{path}: a folder; give the name of a file")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first")


def no_bars() -> bool:
    """Whether progress is not shown: standard error is no terminal, or nothing is to be said."""
    return quiet() or not sys.stderr.isatty()


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Progress on stderr, one bar a stage, only on a terminal; with `--verbose` a line for each that is done."""
    from tqdm import tqdm as make

    bars: dict[str, tqdm[Any]] = {}
    done: dict[str, tuple[int, float]] = {}

    def step(name: str, count: int, total: int | None) -> None:
        if name not in bars:
            bars[name] = make(total=total, desc=name, unit="img", leave=False, disable=no_bars())
            done[name] = 0, time.perf_counter()
        bars[name].update(count)
        so_far, start = done[name]
        done[name] = so_far + count, start
        if so_far + count == total:  # gone before a line is printed
            bars[name].close()
            detail(f"{name:11} {total} in {time.perf_counter() - start:.1f} s")

    try:
        yield step
    finally:
        for bar in bars.values():
            bar.close()


def command_line(context: click.Context) -> str:
    """What the user typed, with every option by its long name."""
    words = context.command_path.split()
    for parameter in context.command.params:
        name = parameter.name or ""
        if not said(context, name):
            continue
        value = context.params[name]
        values = value if isinstance(value, tuple) else (value,)
        for one in values:
            flags = [parameter.opts[-1]] if isinstance(parameter, click.Option) else []
            words += flags if one is True else [*flags, str(one)]
    return shlex.join(words)


def mib(path: str | Path) -> str:
    """Size of a model."""
    from pyq8.runtime.environment import model_bytes

    return f"{model_bytes(path) / 2**20:.1f} MiB"


def decibel(value: float) -> str:
    """A ratio in dB; "exact" where nothing differs."""
    return "exact" if math.isinf(value) and value > 0 else f"{value:.1f} dB"


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(v) for v in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def warn_of_saturation(model: str) -> None:
    """One line where weights of an ONNX file saturate on this CPU, and cost time for it."""
    from pyq8 import cpu

    if not cpu.has_vnni() and model.endswith(".onnx"):
        import onnx_ir as ir

        from pyq8.runtime.unsaturated import cost, unsaturated

        found = unsaturated(ir.load(model))
        if found is not None:
            warn(cost(model, found[1]))
