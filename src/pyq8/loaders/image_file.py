"""One image among a user's data, and how image files are found in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset({".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class ImageFile:
    """An image that has not been read yet.

    Args:
        path: where it is.
        name: how messages and results call it: its path inside the data.
        label: its class, None where nothing says.
    """

    path: Path
    name: str
    label: int | None = None


@dataclass(frozen=True)
class FolderLayout:
    """One way of keeping images in a folder.

    Args:
        recognizes: whether a folder is kept in this way; reads names only.
        list_images: (folder, split) -> its images in order. Raises DataError where something is missing.
    """

    recognizes: Callable[[Path], bool]
    list_images: Callable[[Path, str], list[ImageFile]]


def find_images(folder: Path) -> list[Path]:
    """The image files directly inside a folder, by name; hidden ones are left out."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "." and path.is_file()
    )
