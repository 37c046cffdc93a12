"""Arrays in memory or in .npz / .npy files -> batches."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyq8.errors import DataError
from pyq8.loaders.fit import as_array, check_names, convert, stack_samples, to_labels
from pyq8.loaders.inputs import InputSpec, fixed_batch
from pyq8.loaders.loader import Loader
from pyq8.loaders.sample import Batch
from pyq8.loaders.selection import select
from pyq8.types import Array

SUFFIXES = frozenset({".npy", ".npz"})


def read_arrays(path: Path) -> dict[str, Array]:
    """The arrays of a file: by name from .npz, under the file's stem from .npy (memory-mapped).

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:  # numpy leaves a broken .npz open
            if file.read(2) == b"PK":
                file.seek(0)
                content = np.load(file, allow_pickle=False)
                return {name: content[name] for name in content.files}
        return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False)}
    except (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(f"{error}".split())
        raise DataError(f"{path}: not a readable {path.suffix} file ({reason}); write it again") from None


class ArrayLoader(Loader):
    """Batches of arrays that are fed as they are.

    Args:
        arrays: input name -> (N, ...), or one sample for an input without a batch axis; where there is one array
            and one input, any name will do. `labels`, where no input is called so: integers (N,).
        specs: the model's inputs.
        where: the file, for messages.
        samples: how many to take, None for all.
        seed: None takes the first ones, a number draws them.
        batch_size: samples per batch at most; a model with a fixed batch size gets exactly that.

    Raises:
        DataError: names, shapes, dtypes or lengths do not fit; there are no samples, or too few.
    """

    def __init__(
        self,
        arrays: Mapping[str, Any],
        specs: Sequence[InputSpec],
        where: str,
        samples: int | None = None,
        seed: int | None = None,
        batch_size: int = 1,
    ) -> None:
        found = dict(arrays)
        names = [spec.name for spec in specs]
        labels = None if "labels" in names else found.pop("labels", None)
        if len(found) == len(specs) == 1:
            found = {names[0]: next(iter(found.values()))}
        check_names(found, specs, where)
        self._where, self._specs = where, specs
        self._arrays = stack_samples({spec.name: self._array(found[spec.name], spec) for spec in specs}, specs, where)
        count = min((len(array) for array in self._arrays.values()), default=0)
        if count == 0:
            raise DataError(f"{where}: holds no samples; axis 0 must count them")
        self._labels = to_labels(labels, count, where)
        self._indices = select(count, samples, seed)
        self._batch_size = fixed_batch(specs) or batch_size
        super().__init__(len(self._indices))
        self.labels = tuple(self._labels[i] for i in self._indices)

    def _array(self, value: Any, spec: InputSpec) -> Array:
        array = as_array(value)
        if array is None:
            raise DataError(f"{self._where}: {type(value).__name__} for input {spec.name!r}; give an array")
        return array

    def __iter__(self) -> Iterator[Batch]:
        """Batches.

        Raises:
            DataError: a value is not finite.
        """
        assert self.total is not None
        for start in range(0, self.total, self._batch_size):
            indices = list(self._indices[start : min(start + self._batch_size, self.total)])
            names = tuple(map(str, indices))
            feeds = {
                spec.name: convert(self._arrays[spec.name][indices], spec, self._where, names) for spec in self._specs
            }
            yield Batch(feeds, tuple(self._labels[i] for i in indices), names)
