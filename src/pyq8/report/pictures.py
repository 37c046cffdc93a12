"""What a model was fed, as a small picture inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np

from pyq8.loaders import BoundPreprocess
from pyq8.types import Array

SIDE = 160
"""Pixels of the longer side."""
TINY = 64
"""Smaller pictures are kept as they are, without loss."""


@dataclass(frozen=True)
class Picture:
    """One picture.

    Args:
        uri: a `data:` URI of PNG or JPEG.
        width: of the model's input, pixels, in which boxes are given.
        height: likewise.
    """

    uri: str
    width: int
    height: int

    @property
    def tiny(self) -> bool:
        """Whether it has so few pixels that each should be seen."""
        return max(self.width, self.height) <= TINY


def draw(sample: Array, bound: BoundPreprocess | None) -> Picture | None:
    """The picture of one sample of the model's input; None where that is no image.

    Args:
        sample: [C, H, W] or [H, W, C], as the model takes it.
        bound: how it was made from pixels; None for arrays, whose smallest value becomes black and largest white.
    """
    from PIL import Image

    pixels = _pixels(sample, bound)
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    if max(width, height) <= TINY:
        image.save(file, "PNG", optimize=True)
    else:
        image.thumbnail((SIDE, SIDE))
        image.save(file, "JPEG", quality=82)
    kind = "png" if max(width, height) <= TINY else "jpeg"
    return Picture(f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", width, height)


def _pixels(sample: Array, bound: BoundPreprocess | None) -> Array | None:
    """[H, W, 1 or 3] uint8."""
    if sample.ndim != 3:
        return None
    how = bound.preprocess if bound is not None else None
    first = how.layout == "nchw" if how is not None else sample.shape[0] in (1, 3)
    values = np.moveaxis(sample, 0, 2) if first else sample
    if values.shape[2] not in (1, 3):
        return None
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
        if how is not None:
            values = (values * np.asarray(how.std, np.float32) + np.asarray(how.mean, np.float32)) / how.scale
        else:
            low, high = float(values.min()), float(values.max())
            values = (values - low) * (255 / (high - low) if high > low else 1)
        values = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if how is not None and how.color == "bgr":
        values = values[:, :, ::-1]
    return np.ascontiguousarray(values)
