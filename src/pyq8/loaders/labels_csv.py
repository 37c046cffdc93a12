"""A folder with labels.csv: columns `file`, `label` and, where there is one, `split`."""

from __future__ import annotations

import csv
from pathlib import Path

from pyq8.errors import DataError
from pyq8.loaders.image_file import FolderLayout, ImageFile

_NAME = "labels.csv"


def _recognizes(folder: Path) -> bool:
    return (folder / _NAME).is_file()


def _read(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header, and every row with the number of its line."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="", skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader]
            return list(reader.fieldnames or ()), rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 CSV ({error}); correct it") from None


def _list_images(folder: Path, split: str) -> list[ImageFile]:
    """The rows of the wanted split, in the order of the file.

    Raises:
        DataError: a column, a row's file or a row's label is missing or wrong, or the split has no rows.
    """
    path = folder / _NAME
    header, rows = _read(path)
    missing = [column for column in ("file", "label") if column not in header]
    if missing:
        found = ", ".join(header) or "nothing"
        raise DataError(f"{path}: no column {missing[0]!r} (found {found}); the first line must name file,label")
    if not rows:
        raise DataError(f"{path}: has no rows; add one file,label per image")
    if "split" in header:
        splits = sorted({row["split"].strip() for _, row in rows})
        rows = [(line, row) for line, row in rows if row["split"].strip() == split]
        if not rows:
            raise DataError(f"{path}: split {split!r} has no rows; its splits are {', '.join(map(repr, splits))}")
    return [_image(folder, f"{path}, line {line}", row) for line, row in rows]


def _image(folder: Path, where: str, row: dict[str, str]) -> ImageFile:
    name = row["file"].strip()
    if not name or not (folder / name).is_file():
        raise DataError(f"{where}: file {name!r} does not exist in {folder}; restore it or remove the row")
    try:
        label = int(row["label"])
    except ValueError:
        raise DataError(f"{where}: label {row['label']!r} is no whole number; write the class index") from None
    return ImageFile(folder / name, name, label)


LABELS_CSV = FolderLayout(_recognizes, _list_images)
