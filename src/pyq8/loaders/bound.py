"""A preprocessing fitted to one model's input: no "auto" left, every size known that can be known."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pyq8.errors import DataError
from pyq8.loaders.inputs import InputSpec
from pyq8.loaders.pixels import fit_size, to_input
from pyq8.loaders.preprocess import Preprocess
from pyq8.types import Array

_CHANNELS = (1, 3)


@dataclass(frozen=True)
class BoundPreprocess:
    """A preprocessing and the input it is fitted to; call it with an image file.

    Args:
        preprocess: the description, with the model's size, layout and channels filled in.
        spec: the model's input, rank 4.
    """

    preprocess: Preprocess
    spec: InputSpec

    def __call__(self, path: Path) -> Array:
        """One sample of the input, without the batch axis: (C, H, W) or (H, W, C), C-contiguous.

        Raises:
            DataError: the file is no readable image, or smaller than the crop.
        """
        from pyq8.loaders.decode import decode

        image, there = fit_size(decode(path, gray=self.preprocess.color == "gray"), self.preprocess, path)
        return to_input(image, self.preprocess, self.spec.dtype, there)

    def __str__(self) -> str:
        return f"{self.preprocess} -> {self.spec}"


def bind(preprocess: Preprocess, spec: InputSpec) -> BoundPreprocess:
    """Fit a preprocessing to a model's input.

    A fixed size (H, W) that is not the crop replaces it, and the short side follows in proportion:
    resize * max(H, W) / max(crop), rounded. It replaces what images are stretched, letterboxed or padded to, too; where
    nothing is asked for, they are stretched to it. Of a size of which one side is open, the other follows by the
    aspect ratio of what is asked for. One channel makes the images gray, with the mean of the channels' means.

    Raises:
        DataError: the input takes no images, or not images prepared like this.
    """
    if spec.whole:
        spec = replace(spec, shape=spec.stacked, whole=False)
    if len(spec.shape) != 4:
        raise DataError(f"input {spec} takes no images (4 axes); give its arrays as .npz or .npy")
    layout = _find_layout(preprocess.layout, spec)
    batch_last = spec.shape[1:] if layout == "nhwc" else (*spec.shape[2:], spec.shape[1])
    height, width, channels = batch_last
    changes: dict[str, Any] = {"layout": layout}
    changes |= _fit_channels(preprocess, channels, spec)
    if height and width:
        changes |= _fit_geometry(preprocess, (height, width), spec)
    elif height or width:
        changes |= _fit_side(preprocess, height, width, spec)
    _check_dtype(preprocess, spec)
    return BoundPreprocess(replace(preprocess, **changes), spec)


def _find_layout(layout: str, spec: InputSpec) -> Literal["nchw", "nhwc"]:
    first, last = spec.shape[1], spec.shape[3]
    fits = {"nchw": first in (None, *_CHANNELS), "nhwc": last in (None, *_CHANNELS)}
    if layout == "auto":
        # [?, ?, ?, 3] is read as NHWC, [?, ?, ?, ?] as ONNX's own NCHW
        nhwc = fits["nhwc"] and (not fits["nchw"] or (first is None and last is not None))
        layout = "nhwc" if nhwc else "nchw"
    if fits[layout]:
        return "nhwc" if layout == "nhwc" else "nchw"
    raise DataError(
        f"input {spec} has no axis of 1 or 3 channels where layout {layout!r} looks for it; "
        "correct the layout, or give arrays as .npz or .npy"
    )


def _fit_channels(preprocess: Preprocess, channels: int | None, spec: InputSpec) -> dict[str, Any]:
    if channels == 1:
        keys = ("mean", "std", "pad_color")
        return {"color": "gray"} | {key: (statistics.fmean(getattr(preprocess, key)),) for key in keys}
    if channels == 3 and preprocess.color == "gray":
        raise DataError(f"input {spec} takes 3 channels, preprocessing {preprocess.name!r} gives gray; use rgb")
    return {}


def _fit_geometry(preprocess: Preprocess, size: tuple[int, int], spec: InputSpec) -> dict[str, Any]:
    """What replaces a preprocessing's sizes, for an input of this (height, width)."""
    if preprocess.crop is not None:
        ratio = max(size) / max(preprocess.crop) if size != preprocess.crop else 1
        changes: dict[str, Any] = {"crop": size}
        if preprocess.resize is not None:
            changes["resize"] = round(preprocess.resize * ratio)
        if preprocess.stretch is not None:
            changes["stretch"] = tuple(round(side * ratio) for side in preprocess.stretch)
        return changes
    if preprocess.resize is not None:
        raise DataError(
            f"preprocessing {preprocess.name!r} resizes to {preprocess.resize} without a crop, input "
            f"{spec} has a fixed size; add a crop"
        )
    if preprocess.height is not None:
        return {"height": size[0], "min_width": size[1], "max_width": size[1], "multiple": None, "fill": "pad"}
    boxed = preprocess.letterbox or (preprocess.long_side and preprocess.fill == "pad")
    sizes = {"stretch": None, "letterbox": None, "long_side": None, "multiple": None, "fill": "pad"}
    return sizes | {"letterbox" if boxed else "stretch": size}


def _fit_side(preprocess: Preprocess, height: int | None, width: int | None, spec: InputSpec) -> dict[str, Any]:
    """Likewise, where the model leaves one side open."""
    asked = preprocess.crop or preprocess.stretch or preprocess.letterbox
    if asked is not None:
        tall, wide = asked
        size = (height, round(height * wide / tall)) if height else (round((width or 0) * tall / wide), width or 0)
        return _fit_geometry(preprocess, size, spec)
    if height and not preprocess.resize and not preprocess.long_side:
        return {"height": height}
    open_, choice = ("width", ", or height") if height else ("height", "")
    raise DataError(
        f"input {spec} leaves its {open_} open, preprocessing {preprocess.name!r} does not say what it becomes; "
        f"give crop, stretch or letterbox{choice}"
    )


def check_guess(spec: InputSpec) -> None:
    """Refuse to guess how images of an open width, or height, are prepared: no preset is likelier than another.

    Raises:
        DataError: one of the two is open, the other is not.
    """
    if len(spec.stacked) != 4:
        return
    channels_last = _find_layout("auto", replace(spec, shape=spec.stacked)) == "nhwc"
    height, width = spec.stacked[1:3] if channels_last else spec.stacked[2:]
    if (height is None) != (width is None):
        open_, fixed = ("width", f"height at {height}") if width is None else ("height", f"width at {width}")
        raise DataError(
            f"input {spec} leaves its {open_} open and fixes its {fixed}: say how images are prepared, "
            "--preset paddleocr-rec for lines of text, or --preprocess FILE.toml"
        )


def _check_dtype(preprocess: Preprocess, spec: InputSpec) -> None:
    if spec.dtype == "uint8":
        if not preprocess.is_identity:
            raise DataError(
                f"input {spec}: the model takes uint8 pixels, preprocessing {preprocess.name!r} normalizes "
                "them; use --preset raw"
            )
    elif spec.dtype not in ("float16", "float32", "float64"):
        raise DataError(f"input {spec} takes neither floats nor uint8 pixels; give arrays as .npz or .npy")
