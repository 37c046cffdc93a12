"""What really is in the images: COCO annotations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyq8.detection.boxes import to_corners
from pyq8.errors import DataError
from pyq8.types import Array


@dataclass(frozen=True, eq=False)
class Objects:
    """Annotated objects of one image.

    Args:
        boxes: (K, 4) float64, left, top, right, bottom in pixels of the image file.
        labels: (K,) int64, category ids.
        ignored: (K,) bool: found or not, they do not count (COCO's crowds, VOC's difficult ones).
        size: (height, width) of the image file; None where boxes are in pixels of the model's input.
    """

    boxes: Array
    labels: Array
    ignored: Array
    size: tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class Truth:
    """Annotations by image name.

    Args:
        images: file name -> its objects.
        sha256: digest of the file they come from.
    """

    images: Mapping[str, Objects]
    sha256: str


def read_truth(folder: str | Path) -> Truth:
    """The annotations of a folder in COCO form: annotations.json.

    Raises:
        DataError: there is no such file, it is no COCO, or it has no boxes.
    """
    path = Path(folder) / "annotations.json"
    if not path.is_file():
        raise DataError(
            f"{folder}: no annotations.json, which mAP is measured against; add it, or say --truth fp32 to compare "
            "with what FP32 finds"
        )
    try:
        raw = path.read_bytes()
        data = json.loads(raw)
        names = {image["id"]: image["file_name"] for image in data["images"]}
        sizes = {image["id"]: (int(image["height"]), int(image["width"])) for image in data["images"]}
        objects: dict[int, list[tuple[list[float], int, bool]]] = {image: [] for image in names}
        for one in data["annotations"]:
            ignored = any(one.get(key) for key in ("iscrowd", "ignore", "difficult"))
            objects[one["image_id"]].append(([float(v) for v in one["bbox"]], int(one["category_id"]), ignored))
    except KeyError as error:
        need = "images, annotations, and their file_name, height, width, bbox, category_id"
        raise DataError(f"{path}: {error} is missing; COCO has {need}") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not in COCO form ({error}); correct it") from None
    if not any(objects.values()):
        raise DataError(f"{path}: annotates no object; mAP needs some, or --truth fp32")
    images = {}
    for key, name in names.items():
        here = objects[key]
        corners = to_corners(np.array([box for box, _, _ in here], np.float64).reshape(-1, 4), "xywh")
        labels, crowds = np.array([label for _, label, _ in here], np.int64), np.array([x for *_, x in here], bool)
        images[name] = Objects(corners, labels, crowds, sizes[key])
    return Truth(images, hashlib.sha256(raw).hexdigest())
