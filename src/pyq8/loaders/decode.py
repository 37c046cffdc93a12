"""An image file -> upright 8-bit RGB or gray pixels, with Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pyq8.errors import DataError


def decode(path: Path, *, gray: bool = False) -> Image.Image:
    """Read an image, rotate it as its EXIF orientation says, and convert it.

    Args:
        path: the file.
        gray: convert to mode L (ITU-R 601 luma) instead of RGB.

    Returns:
        Mode RGB or L. Transparency is dropped, 16 bits keep their upper 8, the first frame is taken.

    Raises:
        DataError: no readable image.
    """
    try:
        with Image.open(path) as image:
            return _convert(ImageOps.exif_transpose(image), "L" if gray else "RGB")
    except UnidentifiedImageError:
        reason = "unknown format"
    except Exception as error:  # on a broken file Pillow's decoders raise nearly anything
        reason = " ".join(f"{error}".split()) or type(error).__name__
    raise DataError(f"{path}: not a readable image ({reason}); repair or remove it, or pass --skip-bad")


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # I;16 and its byte orders; I is how Pillow opens some 16-bit files
        values = np.clip(np.asarray(image), 0, 65535)
        image = Image.fromarray((values >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no 0..255 scale")
    elif image.mode in ("P", "PA"):  # by way of RGBA: Pillow warns when a palette's alpha is dropped
        image = image.convert("RGBA")
    return image.convert(mode)
