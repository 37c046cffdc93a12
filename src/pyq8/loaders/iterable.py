"""Batches that the user's own code makes: arrays, {input: array}, or (either, labels)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyq8.errors import DataError
from pyq8.loaders.fit import as_array, check_names, convert, stack_samples, to_labels
from pyq8.loaders.inputs import InputSpec
from pyq8.loaders.loader import Loader
from pyq8.loaders.sample import Batch
from pyq8.types import Array

_FORMS = "give arrays, {input: array} or (array, labels)"


class IterableLoader(Loader):
    """The user's batches, checked; they keep their size, the last one may be smaller.

    A generator gives its batches once; a list, or an object with `__iter__`, as often as it is asked.

    Args:
        source: of arrays, torch tensors, mappings from input names to them (and perhaps "labels"), pairs
            of one of these and labels, or `Batch`.
        specs: the model's inputs.
        samples: stop after so many, None takes all.
    """

    def __init__(self, source: Iterable[Any], specs: Sequence[InputSpec], samples: int | None = None) -> None:
        super().__init__()
        self._source, self._specs, self._samples = source, specs, samples

    def __iter__(self) -> Iterator[Batch]:
        """Batches.

        Raises:
            DataError: a batch does not fit the model, holds values that are not finite, or none comes.
        """
        self.skipped.clear()
        left, seen = self._samples, 0
        for number, item in enumerate(self._source):
            batch = self._check(item, f"batch {number}", seen)
            seen += len(batch)
            if left is not None and left < len(batch):
                feeds = {name: array[:left] for name, array in batch.feeds.items()}
                batch = Batch(feeds, batch.labels[:left], batch.names[:left])
            yield batch
            left = None if left is None else left - len(batch)
            if left == 0:  # before the source is asked once more
                break
        if seen == 0:
            raise DataError(
                "the iterable gave no batches; a generator gives them only once, then pass a list or an "
                "object with __iter__"
            )

    def _check(self, item: Any, where: str, seen: int) -> Batch:
        """One item as a batch whose arrays fit; `seen` samples came before it."""
        arrays, labels, names = self._unpack(item, where)
        check_names(arrays, self._specs, where)
        arrays = stack_samples(arrays, self._specs, where)
        count = len(next(iter(arrays.values())))
        if count == 0:
            raise DataError(f"{where}: holds no samples; axis 0 must count the same ones, 1 or more")
        names = names or tuple(str(seen + i) for i in range(count))
        feeds = {spec.name: convert(arrays[spec.name], spec, where, names) for spec in self._specs}
        return Batch(feeds, to_labels(labels, count, where), names)

    def _unpack(self, item: Any, where: str) -> tuple[dict[str, Array], Any, tuple[str, ...]]:
        """Arrays by input name, labels, and names where the item has them."""
        labels: Any = None
        names: tuple[str, ...] = ()
        if isinstance(item, Batch):
            labels = None if None in item.labels else item.labels
            item, names = item.feeds, item.names
        elif isinstance(item, tuple | list) and len(item) in (1, 2):
            item, labels = item if len(item) == 2 else (item[0], None)
        if isinstance(item, Mapping):
            item = dict(item)
            if labels is None and all(spec.name != "labels" for spec in self._specs):
                labels = item.pop("labels", None)
            arrays = {name: as_array(value) for name, value in item.items()}
        elif len(self._specs) == 1:
            arrays = {self._specs[0].name: as_array(item)}
        else:
            inputs = ", ".join(repr(spec.name) for spec in self._specs)
            raise DataError(f"{where}: {type(item).__name__} for a model of several inputs; give a dict of {inputs}")
        if any(array is None for array in arrays.values()):
            raise DataError(f"{where}: {type(item).__name__} found; {_FORMS}")
        return {name: array for name, array in arrays.items() if array is not None}, labels, names
