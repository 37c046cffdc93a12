"""Where the pixels of an image go, from its size alone: scaled, cropped, padded.

Sources: torchvision.transforms (short side, center crop), Ultralytics' LetterBox, YOLOX' preproc, PaddleOCR's
DetResizeForTest and resize_norm_img.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pyq8.loaders.preprocess import Preprocess

Size = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """Everything in pixels, (width, height) as images count them.

    Args:
        scaled: what the whole image is resized to.
        kept: size of the part that is kept of it, around the center.
        canvas: what the model sees; the rest is padding.
        at: left and top of the kept part on the canvas.
    """

    scaled: Size
    kept: Size
    canvas: Size
    at: Size


def place(size: Size, preprocess: Preprocess) -> Geometry:
    """Where an image of this size goes.

    Args:
        size: (width, height), pixels.
        preprocess: its geometry fields.

    Returns:
        The kept part is larger than the scaled image where that is smaller than the crop.
    """
    scaled = _scale(size, preprocess)
    step = preprocess.multiple or 1
    if preprocess.fill == "stretch":
        scaled = _each(scaled, lambda side: max(step, round(side / step) * step))
    kept = (preprocess.crop[1], preprocess.crop[0]) if preprocess.crop else scaled
    if preprocess.letterbox and not preprocess.multiple:
        canvas = (preprocess.letterbox[1], preprocess.letterbox[0])
    else:
        wide = (max(kept[0], preprocess.min_width or 0), kept[1])
        canvas = _each(wide, lambda side: math.ceil(side / step) * step)
    centered = preprocess.pad_at == "center"
    left, top = ((whole - part) // 2 if centered else 0 for whole, part in zip(canvas, kept, strict=True))
    return Geometry(scaled, kept, canvas, (left, top))


def _scale(size: Size, preprocess: Preprocess) -> Size:
    width, height = size
    if preprocess.stretch:
        return preprocess.stretch[1], preprocess.stretch[0]
    if (resize := preprocess.resize) is not None:
        return _each(size, lambda side: resize * side // min(size))
    if preprocess.height:
        by_aspect = math.ceil(preprocess.height * width / height)
        return min(by_aspect, preprocess.max_width or by_aspect), preprocess.height
    if preprocess.letterbox:
        ratio = min(preprocess.letterbox[0] / height, preprocess.letterbox[1] / width)
    elif preprocess.long_side:
        ratio = preprocess.long_side / max(size)
    else:
        return size
    return _each(size, lambda side: max(1, round(side * ratio)))


def _each(size: Size, change: Callable[[int], int]) -> Size:
    return change(size[0]), change(size[1])
