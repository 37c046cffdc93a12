"""Image files and inputs that the tests of the loaders share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pyq8.loaders import Batch, InputSpec, Loader, Preprocess, open_loader
from pyq8.types import Array

RAW_SPEC = InputSpec("x", "uint8", (None, 3, None, None))
FLOAT_SPEC = InputSpec("x", "float32", (None, 3, 224, 224))


def save_flat(path: Path, color: tuple[int, int, int] = (10, 20, 30), size: tuple[int, int] = (8, 6)) -> Path:
    """A PNG of one color; size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, "PNG")
    return path


def random_pixels(height: int, width: int, channels: int = 3) -> Array:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return pixels if channels > 1 else pixels[:, :, 0]


def open_images(
    source: object,
    spec: InputSpec = RAW_SPEC,
    *,
    preprocess: Preprocess | None = None,
    split: str = "calib",
    samples: int | None = None,
    seed: int | None = None,
    batch_size: int = 1,
    skip_bad: bool = False,
) -> Loader:
    """`open_loader` for one input, with defaults."""
    return open_loader(
        source,  # type: ignore[arg-type]  # tests also pass what the types forbid
        [spec],
        preprocess=preprocess,
        split=split,
        samples=samples,
        seed=seed,
        batch_size=batch_size,
        skip_bad=skip_bad,
    )


def names(batches: Loader | list[Batch]) -> list[str]:
    return [name for batch in batches for name in batch.names]


def labels(batches: Loader | list[Batch]) -> list[int | None]:
    return [label for batch in batches for label in batch.labels]
