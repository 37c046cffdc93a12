"""Text files that are whole or not there."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pyq8.errors import OutputError


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
        raise OutputError(f"{file}: cannot be written: {error.strerror}; nothing was kept") from None
