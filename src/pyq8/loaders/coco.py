"""COCO: annotations.json and its images, beside it or in images/; taken as unlabeled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyq8.errors import DataError
from pyq8.loaders.image_file import FolderLayout, ImageFile

_NAME = "annotations.json"


def _recognizes(folder: Path) -> bool:
    return (folder / _NAME).is_file()


def _read_names(path: Path) -> list[str]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}); correct it") from None
    try:
        names = [image["file_name"] for image in content["images"]]
    except (KeyError, TypeError):
        names = [None]
    if not names:
        raise DataError(f"{path}: its list of images is empty; add images")
    if not all(isinstance(name, str) and name for name in names):
        raise DataError(f'{path}: not in COCO form; it needs {{"images": [{{"file_name": ...}}, ...]}}')
    return names


def _list_images(folder: Path, _split: str) -> list[ImageFile]:
    """The images in the order of the file.

    Raises:
        DataError: not COCO, no images, or an image that exists in neither place.
    """
    path = folder / _NAME
    images = []
    for name in _read_names(path):
        places = [place for place in (folder / name, folder / "images" / name) if place.is_file()]
        if not places:
            raise DataError(f"{path}: image {name!r} is neither in {folder} nor in its images/; restore or remove it")
        images.append(ImageFile(places[0], name))
    return images


COCO = FolderLayout(_recognizes, _list_images)
