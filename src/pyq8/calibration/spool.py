"""Images that are read more than once: on disk, in an order that does not depend on how they came."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from pyq8.files import scratch
from pyq8.loaders import Batch
from pyq8.types import Array, Feeds


@dataclass(frozen=True)
class _Sample:
    """Where an image is in the file: input -> (position, dtype, shape)."""

    digest: bytes
    label: int | None
    name: str
    arrays: dict[str, tuple[int, str, tuple[int, ...]]]


class Spool:
    """Model inputs in a file, sorted by the SHA-256 of what they hold. Memory holds one batch.

    Calibration, corrections and verification read images several times, and an iterable can be read once. Whatever
    takes some of the images, or adds floats over them, gives the same in whatever order and batches they came.

    Args:
        file: where the images go; opened for writing and reading, and closed, by the caller.
        batches: what a loader yields.
        size: images the model wants at a time.
        progress: called with the number of images read since the last call.
    """

    def __init__(
        self,
        file: IO[bytes],
        batches: Iterable[Batch],
        size: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._file = file
        self._size = size
        samples = []
        for batch in batches:
            samples += [self._write(batch, i) for i in range(len(batch))]
            if progress is not None:
                progress(len(batch))
        self._samples = sorted(samples, key=lambda sample: sample.digest)

    def __len__(self) -> int:
        return len(self._samples)

    def batches(self, count: int | None = None) -> Iterator[Batch]:
        """The first `count` images (None for all), as many at a time as the model wants and have one shape."""
        pending: list[_Sample] = []
        for sample in self._samples[:count]:
            if pending and (len(pending) == self._size or _shapes(pending[0]) != _shapes(sample)):
                yield self._read(pending)
                pending = []
            pending.append(sample)
        if pending:
            yield self._read(pending)

    def feeds(self, count: int | None = None) -> Iterator[Feeds]:
        """The inputs alone, as `batches` gives them."""
        return (batch.feeds for batch in self.batches(count))

    def _write(self, batch: Batch, index: int) -> _Sample:
        digest = hashlib.sha256()
        arrays = {}
        for name in sorted(batch.feeds):
            array = np.ascontiguousarray(batch.feeds[name][index : index + 1])
            data = array.tobytes()
            digest.update(f"{name}:{array.dtype}:{array.shape}".encode() + data)
            arrays[name] = (self._file.tell(), str(array.dtype), array.shape)
            with scratch():
                self._file.write(data)
        return _Sample(digest.digest(), batch.labels[index], batch.names[index], arrays)

    def _read(self, samples: list[_Sample]) -> Batch:
        feeds = {name: np.concatenate([self._array(s, name) for s in samples]) for name in samples[0].arrays}
        return Batch(feeds, tuple(s.label for s in samples), tuple(s.name for s in samples))

    def _array(self, sample: _Sample, name: str) -> Array:
        position, dtype, shape = sample.arrays[name]
        self._file.seek(position)
        data = self._file.read(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return np.frombuffer(data, dtype).reshape(shape)


def _shapes(sample: _Sample) -> list[tuple[int, ...]]:
    return [shape for _, _, shape in sample.arrays.values()]
