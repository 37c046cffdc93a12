"""Several models for `pyq8 quantize`: a folder, or a list in TOML; each becomes a command line of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from pyq8.cli.options import said
from pyq8.cli.usage import long_name
from pyq8.errors import ModelError, UsageError
from pyq8.registry import hint

OF_ONE = ("plan", "save-plan", "report", "fallback")
"""Options that a folder of models cannot have: they name a file."""
SUFFIX = ".int8.onnx"
OF_ALL = ("model", "output", "workers", "dask", "json_file", "quiet", "verbose")
"""Options of `pyq8 quantize` that are not one model's."""
PATHS = ("calib", "out", "preprocess", "plan", "save-plan", "fallback")
"""Relative to the file that has the list."""

Options = dict[str, Any]
"""Name on the command line, without the dashes -> value."""


def list_models(context: click.Context) -> list[list[str]]:
    """A command line for every model.

    Args:
        context: of a `pyq8 quantize` that names a folder or a list.

    Raises:
        UsageError: an option that cannot be, or a key that is none.
        DataError: the list cannot be read.
        ModelError: there are no models.
    """
    path, output = Path(context.params["model"]), context.params["output"]
    flags = {long_name(p): p for p in context.command.params if p.name not in OF_ALL}
    given = {flag: context.params[p.name] for flag, p in flags.items() if p.name and _is_given(context, p.name)}
    if context.params["report"] is not None and not path.is_dir():
        raise UsageError("--report: is of one model; make it with pyq8 report")
    if path.is_dir():
        for flag in OF_ONE:
            if flag in given:
                raise UsageError(f"--{flag}: is of one model; name it in a list (batch.toml)")
        files = sorted(file for file in path.glob("*.onnx") if not file.name.endswith(SUFFIX) and file.is_file())
        if not files:
            raise ModelError(f"{path}: no .onnx files in it; give a folder of FP32 models, or a model")
        entries = [{"model": str(file), **given} for file in files]
    else:
        for flag, parameter in flags.items():
            if parameter.name and said(context, parameter.name):
                raise UsageError(f"--{flag} and {path}: say it there, under [defaults] or for a model")
        entries = [{**given, **entry} for entry in _read(path, flags)]
    if output is not None:
        entries = [{"out": str(Path(output) / f"{Path(e['model']).stem}{SUFFIX}"), **e} for e in entries]
    if context.params["dask"] is not None:  # its workers stand elsewhere
        for entry in entries:
            entry.update({key: str(Path(entry[key]).resolve()) for key in ("model", *PATHS) if key in entry})
    return [_arguments(entry) for entry in entries]


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) not in (ParameterSource.DEFAULT, None)


def _read(path: Path, flags: Mapping[str, click.Parameter]) -> list[Options]:
    """The entries of a list, their paths as seen from here."""
    from pyq8.files import read_toml

    data = read_toml(path)
    _check_keys(data, ("defaults", "models"), str(path))
    defaults, models = data.get("defaults", {}), data.get("models", [])
    if not isinstance(defaults, dict) or not isinstance(models, list) or not all(isinstance(m, dict) for m in models):
        raise UsageError(f"{path}: wants a table [defaults] and a table [[models]] for every model")
    _check_keys(defaults, flags, f"{path}: [defaults]")
    if not models:
        raise ModelError(f"{path}: names no models; add a table [[models]] with model = FILE")
    entries = []
    for number, entry in enumerate(models, 1):
        where = f"{path}: model {number}"
        _check_keys(entry, ("model", "out", *flags), where)
        if not isinstance(entry.get("model"), str):
            raise UsageError(f"{where}: does not say which; add model = FILE")
        merged = {**defaults, **entry}
        for key in ("model", *PATHS):
            if isinstance(merged.get(key), str):
                merged[key] = str(path.parent / merged[key])
        for key, value in merged.items():
            _check_value(flags.get(key), value, f"{where}: {key}")
        entries.append(merged)
    return entries


def _check_keys(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}; {hint(key, known)}")


def _check_value(parameter: click.Parameter | None, value: Any, where: str) -> None:
    """Refuse a value of the wrong kind; click looks at the rest."""
    if isinstance(parameter, click.Option) and parameter.is_flag:
        fits, wanted = isinstance(value, bool), "true or false"
    elif parameter is not None and parameter.multiple:
        fits, wanted = isinstance(value, list) and all(isinstance(v, str) for v in value), "a list of texts"
    else:
        fits, wanted = isinstance(value, str | int) and not isinstance(value, bool), "a text or a number"
    if not fits:
        raise UsageError(f"{where}: is {value!r}, wants {wanted}")


def _arguments(entry: Options) -> list[str]:
    """The command line of an entry."""
    found = []
    for key, value in entry.items():
        name = "--output" if key == "out" else f"--{key}"
        if value is True:
            found.append(name)
        elif isinstance(value, list | tuple):
            found += [f"{name}={v}" for v in value]
        elif key != "model" and value is not False:
            found.append(f"{name}={value}")
    return [*found, "--", entry["model"]]
