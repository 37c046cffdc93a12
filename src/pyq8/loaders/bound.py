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

        image = fit_size(decode(path, gray=self.preprocess.color == "gray"), self.preprocess, path)
        return to_input(image, self.preprocess, self.spec.dtype)

    def __str__(self) -> str:
        return f"{self.preprocess} -> {self.spec}"


def bind(preprocess: Preprocess, spec: InputSpec) -> BoundPreprocess:
    """Fit a preprocessing to a model's input.

    A fixed size (H, W) that is not the crop replaces it, and the short side follows in proportion:
    resize * max(H, W) / max(crop), rounded. Where neither size nor crop is asked for, images are
    stretched to a fixed size. One channel makes the images gray, with the mean of the channels' means.

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
    if height or width:
        changes |= _fit_geometry(preprocess, (height or width or 0, width or height or 0), spec)
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
        mean, std = (statistics.fmean(values) for values in (preprocess.mean, preprocess.std))
        return {"color": "gray", "mean": (mean,), "std": (std,)}
    if channels == 3 and preprocess.color == "gray":
        raise DataError(f"input {spec} takes 3 channels, preprocessing {preprocess.name!r} gives gray; use rgb")
    return {}


def _fit_geometry(preprocess: Preprocess, size: tuple[int, int], spec: InputSpec) -> dict[str, Any]:
    if preprocess.crop is None:
        if preprocess.resize is not None:
            raise DataError(
                f"preprocessing {preprocess.name!r} resizes to {preprocess.resize} without a crop, input "
                f"{spec} has a fixed size; add a crop"
            )
        return {"stretch": size}
    if size == preprocess.crop or preprocess.resize is None:
        return {"crop": size}
    return {"crop": size, "resize": round(preprocess.resize * max(size) / max(preprocess.crop))}


def _check_dtype(preprocess: Preprocess, spec: InputSpec) -> None:
    if spec.dtype == "uint8":
        if not preprocess.is_identity:
            raise DataError(
                f"input {spec}: the model takes uint8 pixels, preprocessing {preprocess.name!r} normalizes "
                "them; use --preset raw"
            )
    elif spec.dtype not in ("float16", "float32", "float64"):
        raise DataError(f"input {spec} takes neither floats nor uint8 pixels; give arrays as .npz or .npy")
