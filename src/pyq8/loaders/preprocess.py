"""How pixels become a model's input: a description that prints, and round-trips JSON and TOML.

    x = (pixel * scale - mean) / std          pixel 0..255, per channel, in float32

after the geometry: one way of scaling (`resize` of the short side, `long_side`, `height`, `stretch` or `letterbox`),
then a center `crop` or padding.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pyq8.errors import DataError
from pyq8.files import read_toml
from pyq8.loaders.preprocess_fields import parse_fields

Color = Literal["rgb", "bgr", "gray"]
Layout = Literal["auto", "nchw", "nhwc"]
Interpolation = Literal["bilinear", "bicubic", "nearest"]
PadAt = Literal["center", "end"]
Fill = Literal["pad", "stretch"]
SCALINGS = ("resize", "long_side", "height", "stretch", "letterbox")
"""Fields of which one at most says how an image is scaled."""


_NOT_CROPPED = ("letterbox", "height", "multiple")


@dataclass(frozen=True)
class Preprocess:
    """From an image file to one sample of the model's input.

    >>> Preprocess("mine", resize=256, crop=(224, 224), scale=1 / 255, mean=(0.5,), std=(0.25,)).to_json()["crop"]
    [224, 224]
    >>> print(Preprocess("mine", color="bgr", stretch=(300, 300), mean=(104, 117, 123)))
    mine: bgr, stretch to 300x300, (pixel * 1 - [104 117 123]) / [1]

    Args:
        name: how it is called: a preset's name, or the TOML file's.
        color: which channels, in which order.
        resize: length of the short side in pixels, None to keep it.
        crop: (height, width) of the part around the center that is kept, in pixels.
        stretch: (height, width) to resize to without keeping the aspect ratio.
        letterbox: (height, width) to resize into, keeping the aspect ratio, and to pad to; with `multiple` padded no
            further than to the next multiple.
        long_side: length of the long side in pixels.
        height: what the height becomes; the width follows by the aspect ratio, rounded up.
        min_width: images that `height` leaves narrower are padded to it.
        max_width: images that `height` makes wider are squeezed to it.
        multiple: both sides become multiples of it, in pixels.
        fill: how they do: "pad" up to the next, or "stretch" to the nearest.
        pad_color: of padding, 0..255, one value or one per channel in the order of `color`.
        pad_at: padding goes to all sides ("center" has the image), or to the right and the bottom ("end").
        mean: subtracted after scaling, one value or one per channel in the order of `color`.
        std: divided by, likewise.
        scale: multiplied first.
        layout: order of the axes; "auto" reads it off the model's input.
        interpolation: the filter for resizing, antialiased as Pillow and torchvision do it.

    Raises:
        DataError: values that contradict one another or make no sense.
    """

    name: str
    color: Color = "rgb"
    resize: int | None = None
    crop: tuple[int, int] | None = None
    stretch: tuple[int, int] | None = None
    letterbox: tuple[int, int] | None = None
    long_side: int | None = None
    height: int | None = None
    min_width: int | None = None
    max_width: int | None = None
    multiple: int | None = None
    fill: Fill = "pad"
    pad_color: tuple[float, ...] = (0.0,)
    pad_at: PadAt = "center"
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    layout: Layout = "auto"
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        scalings = [key for key in SCALINGS if getattr(self, key) is not None]
        if len(scalings) > 1:
            raise DataError(f"{scalings[0]} excludes {scalings[1]}; give one of {', '.join(SCALINGS)}")
        if self.crop and (other := next((key for key in _NOT_CROPPED if getattr(self, key)), None)):
            raise DataError(f"crop excludes {other}; give one or the other")
        for key in ("min_width", "max_width"):
            if getattr(self, key) is not None and self.height is None:
                raise DataError(f"{key} goes with height; add height")
        if self.min_width and self.max_width and self.min_width > self.max_width:
            raise DataError(f"min_width {self.min_width} is more than max_width {self.max_width}")
        if self.fill == "stretch" and self.multiple is None:
            raise DataError("fill 'stretch' goes with multiple; add multiple")
        for key in (*SCALINGS, "crop", "min_width", "max_width", "multiple"):
            value = getattr(self, key)
            if any(size is not None and size < 1 for size in (value if isinstance(value, tuple) else (value,))):
                raise DataError(f"{key} is {value}; pixels are counted from 1")
        if self.resize and self.crop and max(self.crop) > self.resize:
            raise DataError(f"crop {self.crop} does not fit into resize {self.resize}; make resize larger")
        if self.stretch and self.crop and any(map(operator.gt, self.crop, self.stretch)):
            raise DataError(f"crop {self.crop} does not fit into stretch {self.stretch}; make stretch larger")
        for key in ("mean", "std", "pad_color"):
            values = getattr(self, key)
            if len(values) not in {1, 1 if self.color == "gray" else 3}:
                raise DataError(f"{key} has {len(values)} values for color {self.color!r}; one per channel")
        if not all(map(math.isfinite, (*self.mean, *self.std, self.scale))):
            raise DataError("mean, std and scale must be finite numbers")
        if not all(0 <= value <= 255 for value in self.pad_color):
            raise DataError(f"pad_color {self.pad_color} is none: pixels are 0..255")
        if min(self.std) <= 0 or self.scale <= 0:
            raise DataError(f"std {self.std} and scale {self.scale} must be above 0")

    def __str__(self) -> str:
        parts: list[str] = [self.color]
        parts += [f"short side {self.resize}"] if self.resize else []
        parts += [f"long side {self.long_side}"] if self.long_side else []
        parts += [f"height {self.height}"] if self.height else []
        parts += [f"width from {self.min_width}"] if self.min_width else []
        parts += [f"width up to {self.max_width}"] if self.max_width else []
        parts += ["crop {}x{}".format(*self.crop)] if self.crop else []
        parts += ["stretch to {}x{}".format(*self.stretch)] if self.stretch else []
        parts += ["letterbox {}x{}".format(*self.letterbox)] if self.letterbox else []
        parts += [f"{self.fill} to multiples of {self.multiple}"] if self.multiple else []
        if self.letterbox or self.min_width or (self.multiple and self.fill == "pad"):
            color = " ".join(f"{value:g}" for value in self.pad_color)
            parts.append(f"pad {color}" + (" at the end" if self.pad_at == "end" else ""))
        if self.is_identity:
            parts.append("pixels as they are")
        else:
            mean, std = (" ".join(f"{v:g}" for v in values) for values in (self.mean, self.std))
            parts.append(f"(pixel * {self.scale:.6g} - [{mean}]) / [{std}]")
        return f"{self.name}: {', '.join(parts)}"

    @property
    def is_identity(self) -> bool:
        """Whether pixel values stay what they are, 0..255."""
        return self.scale == 1 and not any(self.mean) and set(self.std) == {1.0}

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back exactly."""
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str = "preprocessing") -> Preprocess:
        """The inverse of `to_json`; keys that are missing take the defaults.

        Args:
            data: field -> value.
            source: where it comes from, for messages.

        Raises:
            DataError: an unknown key, a wrong type, or values that contradict one another.
        """
        fields = {"name": source} | parse_fields(data, source)
        try:
            return cls(**fields)
        except DataError as error:
            raise DataError(f"{source}: {error}") from None

    @classmethod
    def from_toml(cls, path: str | Path) -> Preprocess:
        """Read a TOML file whose keys are the fields; `name` defaults to the file's.

        Raises:
            DataError: as `from_json`, naming the file and the key; or the file cannot be read.
        """
        path = Path(path)
        return cls.from_json({"name": path.stem} | read_toml(path), str(path))
