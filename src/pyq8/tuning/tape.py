"""Images, decoded once, and FP32's outputs of them, for every trial to run over; no more than one image is held."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyq8.files import scratch
from pyq8.types import Array, Feeds


@dataclass(frozen=True, eq=False)
class Frame:
    """One run of the model.

    Args:
        feeds: as many images as the model takes at a time.
        reference: output name -> FP32's output, one row a real image.
        labels: of the real images.
        names: likewise.
    """

    feeds: Feeds
    reference: dict[str, Array]
    labels: tuple[int | None, ...]
    names: tuple[str, ...]


class Tape:
    """A nameless temporary file: gone with the process, however that ends.

    Raises:
        OutputError: the disk is full.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="pyq8-")  # noqa: SIM115 - it lives as long as the tape
        self._index: list[tuple[list[str], list[str], tuple[int | None, ...], tuple[str, ...]]] = []

    def append(self, frame: Frame) -> None:
        """Write one run behind the others."""
        with scratch():
            self._file.seek(0, os.SEEK_END)
            for array in (*frame.feeds.values(), *frame.reference.values()):
                np.save(self._file, array)
            self._file.flush()
        self._index.append((list(frame.feeds), list(frame.reference), frame.labels, frame.names))

    def __iter__(self) -> Iterator[Frame]:
        self._file.seek(0)
        for inputs, outputs, labels, names in self._index:
            feeds = {name: np.load(self._file) for name in inputs}
            yield Frame(feeds, {name: np.load(self._file) for name in outputs}, labels, names)

    def __enter__(self) -> Tape:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
