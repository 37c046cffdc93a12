"""Whether arrays fit the model's inputs, in the same words wherever they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def stack_samples(arrays: Mapping[str, Array], specs: Sequence[InputSpec], where: str) -> dict[str, Array]:
    """The arrays of all inputs with samples along axis 0: as many of each, and fit for the model.

    An input without a batch axis may be given as one sample, of its very shape: where other arrays have several, all
    of them take the same.

    Args:
        arrays: input name -> array.
        specs: the inputs.
        where: the file or batch, for messages.

    Raises:
        DataError: an array does not fit its input, or they have other numbers of samples.
    """
    one = {s.name for s in specs if s.whole and arrays[s.name].ndim == len(s.shape)}
    found = {name: array[None] if name in one else array for name, array in arrays.items()}
    for spec in specs:
        check_form(found[spec.name], spec, where)
    lengths = {name: len(array) for name, array in found.items() if name not in one} or dict.fromkeys(one, 1)
    if len(set(lengths.values())) > 1:
        told = "" if not any(s.whole for s in specs) else f"; the inputs are {', '.join(map(str, specs))}"
        raise DataError(f"{where}: samples per array differ ({lengths}); axis 0 must count the same ones{told}")
    count = next(iter(lengths.values()))
    return {n: np.broadcast_to(a, (count, *a.shape[1:])) if n in one else a for n, a in found.items()}


def check_form(array: Array, spec: InputSpec, where: str) -> None:
    """Refuse an array whose rank, shape or dtype is not the input's; axis 0 may have any length.

    Args:
        array: (N, ...), samples along axis 0 for an input without a batch axis too.
        spec: the input it is for.
        where: the file or batch, for messages.

    Raises:
        DataError: naming the array and both shapes or dtypes.
    """
    if not spec.stacked:
        raise DataError(f"{where}: input {spec.name!r} has no shape in the model, not even axes; export it with them")
    where = f"{where}: array for input {spec}"
    if array.ndim != len(spec.stacked):
        one = array.ndim + 1 == len(spec.stacked)
        hint = "add the batch axis: array[None]" if one else "its axes must be the input's, the batch first"
        if spec.whole:
            hint = "it has no batch axis: give one sample of its shape, or several along an axis in front"
        raise DataError(f"{where} has shape {array.shape}; {hint}")
    pairs = zip(array.shape[1:], spec.stacked[1:], strict=True)
    if any(axis is not None and axis != length for length, axis in pairs):
        if spec.whole:
            raise DataError(
                f"{where}, which has no batch axis, has samples of shape {array.shape[1:]}; all axes must agree"
            )
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
