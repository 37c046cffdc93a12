"""Inputs for a stopwatch: seeded noise, or given arrays repeated or cut to the batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from pyq8.errors import DataError, ModelError
from pyq8.types import Array, Feeds

Size = tuple[int, int]
KNOWN = frozenset("bool uint8 int8 int32 int64 float16 float32 float64 double".split())
"""Types of which inputs can be made up."""


@dataclass(frozen=True)
class InputSpec:
    """One input of a model.

    Args:
        name: what the runtime calls it.
        dtype: NumPy's name of its type, or the runtime's where NumPy has none.
        shape: None for a dimension that is left open.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


def make_inputs(specs: Sequence[InputSpec], batch: int, size: Size | None = None, whole: Collection[str] = ()) -> Feeds:
    """Seeded noise for every input: normal floats, bytes of 0..255, ones for other integers.

    Args:
        specs: the model's inputs.
        batch: samples a call.
        size: (height, width) of inputs that leave theirs open; None for 224 x 224, or 300 x 300 where
            channels come last.
        whole: names of inputs without a batch axis.

    Raises:
        ModelError: the batch is fixed at another value, or an input is no tensor of numbers.
    """
    rng = np.random.default_rng(0)
    _check_batch(specs, batch, whole)
    return {spec.name: _noise(rng, spec, batch, size, spec.name in whole) for spec in specs}


def fit_feeds(specs: Sequence[InputSpec], feeds: Feeds, batch: int, whole: Collection[str] = ()) -> Feeds:
    """The feeds of the model's inputs with `batch` samples each. A lone array needs no right name.

    Inputs without a batch axis, `whole`, take what is given as it is.

    Raises:
        DataError: an input is missing or empty.
        ModelError: several samples, where an input has no batch axis.
    """
    _check_batch(specs, batch, whole)
    names = [spec.name for spec in specs]
    if len(names) == 1 and len(feeds) == 1:
        feeds = {names[0]: next(iter(feeds.values()))}
    missing = [name for name in names if name not in feeds or np.size(feeds[name]) == 0]
    if missing:
        raise DataError(f"no data for input {missing[0]!r}; there is {', '.join(feeds) or 'nothing'}")
    given = {name: np.asarray(feeds[name]) for name in names}
    fixed = {name for name, x in given.items() if name in whole or x.ndim == 0}
    return {name: x if name in fixed else np.resize(x, (batch, *x.shape[1:])) for name, x in given.items()}


def _check_batch(specs: Sequence[InputSpec], batch: int, whole: Collection[str]) -> None:
    if batch > 1 and specs and all(spec.name in whole for spec in specs):
        raise ModelError(f"input {specs[0].name!r} has no batch axis, a run takes one sample: time it at batch 1")


def _noise(rng: np.random.Generator, spec: InputSpec, batch: int, size: Size | None, whole: bool) -> Array:
    if spec.dtype not in KNOWN:
        raise ModelError(f"input {spec.name!r} is a {spec.dtype}: give real inputs")
    dtype, fixed = np.dtype(spec.dtype), spec.shape
    if len(fixed) == 4 and not whole and fixed[0] not in (None, batch):
        raise ModelError(f"the batch of input {spec.name!r} is fixed at {fixed[0]}, not {batch}")
    channels_last = len(fixed) == 4 and fixed[-1] == 3
    height, width = size or ((300, 300) if channels_last else (224, 224))
    tail = (height, width, 3) if channels_last else (*[3] * (len(fixed) - 3), height, width)
    spare = (batch, *tail[len(tail) - len(fixed) + 1 :])
    if whole:
        spare = (*[3] * (len(fixed) - 2), height, width)[-len(fixed) :]
    dims = [s if d is None else d for d, s in zip(fixed, spare, strict=False)]
    if dtype == np.uint8:
        return rng.integers(0, 256, dims, dtype=np.uint8)
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(dims, dtype=np.float32).astype(dtype)
    return np.ones(dims, dtype=dtype)
