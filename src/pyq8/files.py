"""Text files that are whole or not there, TOML files, and temporary ones."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pyq8.errors import DataError, OutputError


def write_text(text: str, file: str | Path) -> None:
    """Write beside, then rename.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(file)
    beside = path if path.exists() and not path.is_file() else path.with_name(f".{path.name}.part")  # a pipe: itself
    try:
        beside.write_text(text, encoding="utf-8")
        if beside is not path:
            beside.replace(path)
    except OSError as error:
        if beside is not path:
            with suppress(OSError):
                beside.unlink()
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        DataError: the file cannot be read, or is not TOML.
    """
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        content: dict[str, Any] = toml.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a TOML file") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise DataError(f"{path}: not valid TOML ({error}); correct it") from None
    return content


@contextmanager
def scratch() -> Iterator[None]:
    """Around whatever writes images to a temporary file.

    Raises:
        OutputError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: cannot hold the images ({error.strerror}); set TMPDIR to a disk with more "
            "room, or give fewer images"
        ) from None
