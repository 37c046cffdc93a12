"""ImageFolder trees: one subfolder per class, as torchvision reads them."""

from __future__ import annotations

from itertools import chain, zip_longest
from pathlib import Path

from pyq8.errors import DataError
from pyq8.loaders.image_file import FolderLayout, ImageFile, find_images


def _find_classes(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def _recognizes(folder: Path) -> bool:
    return bool(_find_classes(folder))


def _list_images(folder: Path, _split: str) -> list[ImageFile]:
    """One image of every class in turn, so that the first N cover the classes.

    Labels count the subfolders in the order of their names, from 0.

    Raises:
        DataError: no images, or images beside the class folders.
    """
    classes = _find_classes(folder)
    columns = [
        [ImageFile(path, f"{class_.name}/{path.name}", label) for path in find_images(class_)]
        for label, class_ in enumerate(classes)
    ]
    stray = find_images(folder)
    if stray and any(columns):
        raise DataError(f"{folder}: holds class folders and images beside them ({stray[0].name}); keep one of both")
    if stray:
        return [ImageFile(path, path.name) for path in stray]
    if not any(columns):
        nested = [class_.name for class_ in classes if _find_classes(class_)]
        hint = f"give one of its subfolders: {', '.join(nested)}" if nested else "put images into them"
        raise DataError(f"{folder}: no image files in its class folders; {hint}")
    return [image for image in chain.from_iterable(zip_longest(*columns)) if image is not None]


CLASS_TREE = FolderLayout(_recognizes, _list_images)
