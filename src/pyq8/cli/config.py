"""`pyq8.toml`: defaults of the commands' options, a table a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from pyq8.cli.usage import long_name
from pyq8.errors import DataError, UsageError
from pyq8.registry import hint

NAME = "pyq8.toml"


def find_config() -> Path | None:
    """The file in the current folder, or in a parent up to the root of its git repository; None without one."""
    here = Path.cwd()
    folders = (here, *here.parents)
    root = next((i for i, folder in enumerate(folders) if (folder / ".git").exists()), 0)
    found = next((folder / NAME for folder in folders[: root + 1] if (folder / NAME).is_file()), None)
    return None if found is None else Path(os.path.relpath(found))


def read_config(file: Path, commands: Mapping[str, Callable[[], click.Command]]) -> dict[str, dict[str, Any]]:
    """Defaults as click takes them.

    Args:
        file: its tables are commands, their keys long names of options without the dashes; paths are relative to it.
        commands: name -> what imports the command.

    Returns:
        command -> parameter -> value.

    Raises:
        UsageError: naming the file, the table and the key.
    """
    from pyq8.files import read_toml

    try:
        content = read_toml(file)
    except DataError as error:
        raise UsageError(str(error)) from None
    defaults = {}
    for name, table in content.items():
        if not isinstance(table, dict):
            raise UsageError(f"{file}: {name} is outside of a table; write it under [quantize], or another command")
        if name not in commands:
            raise UsageError(f"{file}: unknown table [{name}]; {hint(name, commands)}")
        options = {long_name(p): p for p in commands[name]().params if isinstance(p, click.Option)}
        defaults[name] = _read_table(table, options, f"{file}: [{name}]", file.parent)
    return defaults


def _read_table(table: dict[str, Any], options: Mapping[str, click.Option], where: str, folder: Path) -> dict[str, Any]:
    values = {}
    for key, value in table.items():
        if key not in options:
            raise UsageError(f"{where} unknown key {key!r}; {hint(key, options)}")
        option = options[key]
        if option.multiple:
            if not isinstance(value, list):
                raise UsageError(f"{where} {key} is {value!r}; it must be a list")
            values[option.name or key] = [_read(option, v, f"{where} {key}", folder) for v in value]
        else:
            values[option.name or key] = _read(option, value, f"{where} {key}", folder)
    return values


def _read(option: click.Option, value: Any, where: str, folder: Path) -> Any:
    kind, expected = option.type.name, "text"
    right = isinstance(value, str)
    if kind == "boolean":
        right, expected = isinstance(value, bool), "true or false"
    elif kind.startswith("integer"):
        right, expected = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif kind.startswith("float"):
        right, expected = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    if not right:
        raise UsageError(f"{where} is {value!r}; it must be {expected}")
    if isinstance(option.type, click.Path) and value != "-":
        return str(folder / Path(value).expanduser())
    try:
        option.type.convert(value, option, None)
    except click.BadParameter as error:
        raise UsageError(f"{where}: {error.message.rstrip('.')}") from None
    return value
