"""Whether arrays fit the model's inputs, in the same words wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pyq8.errors import DataError
from pyq8.loaders.inputs import InputSpec
from pyq8.types import Array


def as_array(value: Any) -> Array | None:
    """A numpy array from one, or from what has `.numpy()`: a torch tensor; None from anything else."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    if callable(getattr(value, "detach", None)):
        value = value.detach().cpu()
    if callable(getattr(value, "numpy", None)):
        return np.asarray(value.numpy())
    return None


def check_names(found: Iterable[str], specs: Sequence[InputSpec], where: str) -> None:
    """Refuse arrays whose names are not the inputs' names.

    Raises:
        DataError: naming those found and those expected.
    """
    names, expected = sorted(found), sorted(spec.name for spec in specs)
    if names != expected:
        raise DataError(
            f"{where}: found arrays {', '.join(map(repr, names)) or 'none'}, the model's inputs are "
            f"{', '.join(map(repr, expected))}; rename them"
        )


def check_form(array: Array, spec: InputSpec, where: str) -> None:
    """Refuse an array whose rank, shape or dtype is not the input's; axis 0 may have any length.

    Args:
        array: (N, ...).
        spec: the input it is for.
        where: the file or batch, for messages.

    Raises:
        DataError: naming the array and both shapes or dtypes.
    """
    where = f"{where}: array for input {spec}"
    if array.ndim != len(spec.shape) or array.ndim == 0:
        one = array.ndim + 1 == len(spec.shape)
        hint = "add the batch axis: array[None]" if one else "its axes must be the input's, the batch first"
        raise DataError(f"{where} has shape {array.shape}; {hint}")
    pairs = zip(array.shape[1:], spec.shape[1:], strict=True)
    if any(axis is not None and axis != length for length, axis in pairs):
        raise DataError(f"{where} has shape {array.shape}; axes after the batch must agree")
    if not _may_cast(array.dtype, np.dtype(spec.dtype)):
        raise DataError(f"{where} is {array.dtype}; preprocess it as the model wants, to {spec.dtype}")


def _may_cast(found: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    if found.kind == "f" and wanted.kind == "f":
        return True
    return found == wanted or (found.kind in "iu" and wanted.kind in "iu" and np.can_cast(found, wanted))


def convert(array: Array, spec: InputSpec, where: str, names: Sequence[str]) -> Array:
    """An array of the input's dtype, C-contiguous, without NaN and infinity.

    Args:
        array: (N, ...), has passed `check_form`.
        spec: the input it is for.
        where: the file or batch, for messages.
        names: of the N samples.

    Raises:
        DataError: a value is not finite, naming the array and the sample.
    """
    with np.errstate(over="ignore"):  # overflow gives infinity, which is refused below
        array = np.ascontiguousarray(array, dtype=spec.dtype)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(np.isfinite(array).reshape(len(array), -1).all(axis=1).argmin())
        raise DataError(
            f"{where}: array for input {spec.name!r} holds NaN or infinity in sample {names[bad]}; "
            f"values must be finite {spec.dtype}, correct or remove the sample"
        )
    return array


def to_labels(value: Any, count: int, where: str) -> tuple[int | None, ...]:
    """Class indices of `count` samples; None gives none.

    Raises:
        DataError: not whole numbers, or not one per sample.
    """
    if value is None:
        return (None,) * count
    array = as_array(value)
    if array is None:
        try:
            array = np.asarray(value)
        except ValueError:  # ragged
            array = np.empty(0, dtype=object)
    if array.dtype.kind not in "iu" or array.ndim > 1 or array.size != count:
        raise DataError(
            f"{where}: labels of shape {array.shape} and type {array.dtype} for {count} samples; "
            "give one whole number per sample, or no labels"
        )
    return tuple(array.reshape(-1).tolist())
