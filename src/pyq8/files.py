"""Text files that are whole or not there, and temporary ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
