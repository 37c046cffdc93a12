"""The one entry: a path or an iterable -> the loader that reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyq8.errors import DataError, UsageError
from pyq8.loaders import arrays
from pyq8.loaders.arrays import ArrayLoader
from pyq8.loaders.bound import BoundPreprocess, bind, check_guess
from pyq8.loaders.image_folder import list_images
from pyq8.loaders.image_loader import ImageLoader
from pyq8.loaders.inputs import InputSpec
from pyq8.loaders.iterable import IterableLoader
from pyq8.loaders.loader import Loader
from pyq8.loaders.preprocess import Preprocess
from pyq8.loaders.presets import PRESETS, guess
from pyq8.loaders.selection import select


def open_loader(
    source: str | Path | Iterable[Any],
    specs: Sequence[InputSpec],
    *,
    preprocess: Preprocess | str | None,
    split: str,
    samples: int | None,
    seed: int | None,
    batch_size: int = 1,
    skip_bad: bool = False,
) -> Loader:
    """Make batches of model inputs out of what the user has.

    Args:
        source: a folder of images (plain, ImageFolder tree, labels.csv, COCO), a .npz or .npy file, an
            array, a mapping {input: array}, a `Loader` (returned as it is), or an iterable of
            arrays, mappings or (either, labels).
        specs: the model's inputs.
        preprocess: for images, or the name of a preset; None guesses it (`guess`). Arrays are fed as they are.
        split: which rows of labels.csv to take, where it has splits.
        samples: how many to take, None for all.
        seed: None takes the first `samples`, a number draws them at random in the original order.
        batch_size: samples per batch at most, for paths and arrays.
        skip_bad: leave out unreadable images instead of raising; their names are in `Loader.skipped`.

    Raises:
        DataError: the data cannot be read, or does not fit the model.
        UsageError: samples or batch_size below 1, a seed below 0, a source that is none of these, a random draw from an
            iterable.
    """
    if batch_size < 1 or (samples is not None and samples < 1):
        raise UsageError(f"samples is {samples}, batch_size {batch_size}; both count from 1")
    if seed is not None and seed < 0:
        raise UsageError(f"seed is {seed}; give a whole number from 0")
    if isinstance(source, Loader):
        return source
    if not isinstance(source, str | Path):
        if isinstance(source, np.ndarray | Mapping):
            found = source if isinstance(source, Mapping) else {"array": source}
            return ArrayLoader(found, specs, "arrays", samples, seed, batch_size)
        return _open_iterable(source, specs, samples, seed)
    path = Path(source)
    if not path.exists():
        raise DataError(f"{path}: does not exist; give a folder of images, .npz or .npy")
    if path.is_dir():
        bound = bind_images(specs, preprocess, str(path))
        images = list_images(path, split)
        chosen = [images[i] for i in select(len(images), samples, seed)]
        return ImageLoader(chosen, bound, batch_size, skip_bad)
    if path.suffix.lower() not in arrays.SUFFIXES:
        raise DataError(f"{path}: not a folder, .npz or .npy; give one of these")
    return ArrayLoader(arrays.read_arrays(path), specs, str(path), samples, seed, batch_size)


def bind_images(specs: Sequence[InputSpec], preprocess: Preprocess | str | None, where: str) -> BoundPreprocess:
    """The preprocessing fitted to the model's only input.

    Raises:
        DataError: the model has not exactly one input, it takes no images, or nothing says how wide they are.
        UsageError: no preset of that name.
    """
    if isinstance(preprocess, str):
        preprocess = PRESETS.get(preprocess)
    if len(specs) != 1:
        inputs = ", ".join(map(str, specs))
        raise DataError(f"{where}: images cannot feed {len(specs)} inputs ({inputs}); give arrays as .npz")
    if preprocess is None:
        check_guess(specs[0])
    return bind(preprocess or guess(specs[0]), specs[0])


def _open_iterable(source: Iterable[Any], specs: Sequence[InputSpec], samples: int | None, seed: int | None) -> Loader:
    if not isinstance(source, Iterable):
        raise UsageError(f"{type(source).__name__} is no data; give a path or an iterable of arrays")
    if samples is not None and seed is not None:
        raise UsageError("a seed draws samples from files, not from an iterable; draw them in your own code")
    return IterableLoader(source, specs, samples)
