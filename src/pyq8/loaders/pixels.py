"""Geometry and arithmetic on one decoded image, the way torchvision does them.

Source: torchvision.transforms.functional resize, center_crop, normalize.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pyq8.errors import DataError
from pyq8.loaders.geometry import Geometry, place
from pyq8.loaders.preprocess import Preprocess
from pyq8.types import Array

if TYPE_CHECKING:
    from PIL import Image


def fit_size(image: Image.Image, preprocess: Preprocess, path: Path) -> tuple[Image.Image, Geometry]:
    """Scale, and crop around the center.

    Args:
        image: any size, 8 bits per channel.
        preprocess: says how, in pixels.
        path: the file, for messages.

    Returns:
        The part that is kept, and where it goes.

    Raises:
        DataError: the image is smaller than the crop.
    """
    from PIL.Image import Resampling

    there = place(image.size, preprocess)
    if there.scaled != image.size:
        image = image.resize(there.scaled, Resampling[preprocess.interpolation.upper()])
    width, height = there.kept
    if there.kept != image.size:
        if image.width < width or image.height < height:
            raise DataError(
                f"{path}: {image.width}x{image.height} pixels, smaller than the crop {width}x{height}; "
                "let the preprocessing resize, remove the file or pass --skip-bad"
            )
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        image = image.crop((left, top, left + width, top + height))
    return image, there


def to_input(image: Image.Image, preprocess: Preprocess, dtype: str, there: Geometry | None = None) -> Array:
    """(pixel * scale - mean) / std in float32, in the model's layout.

    Args:
        image: mode RGB, or L where the preprocessing is gray.
        preprocess: bound, its layout is "nchw" or "nhwc".
        dtype: of the model's input; uint8 takes the pixels as they are.
        there: where the image goes; None without padding.

    Returns:
        (C, H, W) or (H, W, C), C-contiguous.
    """
    pixels: Array = np.asarray(image, dtype=np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if preprocess.color == "bgr":
        pixels = pixels[:, :, ::-1]
    if there is not None and there.canvas != there.kept:
        pixels = _pad(pixels, there, preprocess.pad_color, dtype)
    if preprocess.layout == "nchw":
        pixels = pixels.transpose(2, 0, 1)
    if dtype == "uint8":
        return np.ascontiguousarray(pixels)
    per_channel = (-1, 1, 1) if preprocess.layout == "nchw" else (-1,)
    values: Array = np.multiply(pixels, np.float32(preprocess.scale), dtype=np.float32, order="C")
    values -= np.asarray(preprocess.mean, np.float32).reshape(per_channel)
    values /= np.asarray(preprocess.std, np.float32).reshape(per_channel)
    return values.astype(dtype, copy=False)


def _pad(pixels: Array, there: Geometry, color: tuple[float, ...], dtype: str) -> Array:
    """(H, W, C), uint8 for such an input, else float32: a color may be a half, PaddleOCR pads with what becomes 0."""
    (width, height), (left, top) = there.canvas, there.at
    whole = dtype == "uint8"
    canvas = np.empty((height, width, pixels.shape[2]), np.uint8 if whole else np.float32)
    canvas[:] = np.rint(color) if whole else color
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas
