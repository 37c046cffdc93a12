"""How pixels become a model's input: a description that prints, and round-trips JSON and TOML.

    x = (pixel * scale - mean) / std          pixel 0..255, per channel, in float32

after the geometry: either `stretch`, or `resize` of the short side and then a center `crop`.
"""

from __future__ import annotations

import math
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
        stretch: (height, width) to resize to without keeping the aspect ratio; excludes the two above.
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
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    layout: Layout = "auto"
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if self.stretch and (self.resize or self.crop):
            raise DataError("stretch excludes resize and crop; give one or the other")
        for key, sizes in (("resize", (self.resize,)), ("crop", self.crop), ("stretch", self.stretch)):
            if any(size is not None and size < 1 for size in sizes or ()):
                raise DataError(f"{key} is {getattr(self, key)}; pixels are counted from 1")
        if self.resize and self.crop and max(self.crop) > self.resize:
            raise DataError(f"crop {self.crop} does not fit into resize {self.resize}; make resize larger")
        for key in ("mean", "std"):
            values = getattr(self, key)
            if len(values) not in {1, 1 if self.color == "gray" else 3}:
                raise DataError(f"{key} has {len(values)} values for color {self.color!r}; one per channel")
        if not all(map(math.isfinite, (*self.mean, *self.std, self.scale))):
            raise DataError("mean, std and scale must be finite numbers")
        if min(self.std) <= 0 or self.scale <= 0:
            raise DataError(f"std {self.std} and scale {self.scale} must be above 0")

    def __str__(self) -> str:
        parts: list[str] = [self.color]
        parts += [f"short side {self.resize}"] if self.resize else []
        parts += ["crop {}x{}".format(*self.crop)] if self.crop else []
        parts += ["stretch to {}x{}".format(*self.stretch)] if self.stretch else []
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
