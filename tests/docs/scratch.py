"""A folder in which the commands of a document find what they name: models, images, metrics."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.docs.blocks import ROOT
from tests.docs.substitutions import IMAGES, SAMPLES

_MODEL = re.compile(r"[\w./-]+\.onnx")


def copy_images(digits: Path, folder: Path) -> None:
    """The first digits of either split: fewer than 149 that do not differ pass no gate at 2 points."""
    header, *rows = (digits / "images" / "labels.csv").read_text(encoding="utf-8").splitlines()
    kept = [row for split, count in SAMPLES.items() for row in [r for r in rows if r.endswith(split)][:count]]
    for row in kept:
        shutil.copy(digits / "images" / row.partition(",")[0], folder)
    (folder / "labels.csv").write_text("\n".join([header, *kept, ""]), encoding="utf-8")


def fill(folder: Path, text: str, digits: Path, images: Path, int8: Path) -> None:
    """Put the digits under every name that a document uses.

    Args:
        folder: empty.
        text: all that the document runs.
        digits: folder of the embedded data set.
        images: of it, as `copy_images` makes it.
        int8: the digits' network, quantized.
    """
    for name in IMAGES:
        (folder / name).symlink_to(images)
    for name in ("calib_datasets", "examples"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(digits / "preprocess.toml", folder)
    for name in set(_MODEL.findall(text)):
        path = folder / name
        if path.is_relative_to(folder / "calib_datasets") or Path(name).is_absolute():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(int8 if "int8" in name else digits / "digits.onnx", path)
