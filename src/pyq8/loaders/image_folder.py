"""A folder -> its images. Another way of keeping images is one new file, and one line in `LAYOUTS`."""

from __future__ import annotations

from pathlib import Path

from pyq8.errors import DataError
from pyq8.loaders.class_tree import CLASS_TREE
from pyq8.loaders.coco import COCO
from pyq8.loaders.image_file import FolderLayout, ImageFile, find_images
from pyq8.loaders.labels_csv import LABELS_CSV


def _list_plain(folder: Path, _split: str) -> list[ImageFile]:
    images = [ImageFile(path, path.name) for path in find_images(folder)]
    if not images:
        found = "no image files" if any(folder.iterdir()) else "an empty folder"
        raise DataError(f"{folder}: {found}; give a folder of images, an ImageFolder tree, .npz or .npy")
    return images


PLAIN = FolderLayout(lambda _folder: True, _list_plain)

LAYOUTS = (LABELS_CSV, COCO, CLASS_TREE, PLAIN)
"""The first that recognizes a folder reads it: order is meaning."""


def list_images(folder: Path, split: str) -> list[ImageFile]:
    """The images of a folder, in its layout's order.

    Args:
        folder: an existing folder.
        split: which rows to take where labels.csv has splits.

    Raises:
        DataError: it holds no images, or says something about them that is not so.
    """
    try:
        layout = next(layout for layout in LAYOUTS if layout.recognizes(folder))
        return layout.list_images(folder, split)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); check its permissions") from None
