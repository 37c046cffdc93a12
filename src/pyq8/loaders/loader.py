"""What every loader is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from pyq8.loaders.bound import BoundPreprocess
from pyq8.loaders.sample import Batch


class Loader(ABC):
    """An iterable of batches that fit the model; every iteration starts over.

    Args:
        total: number of samples that will come, None where nobody knows; bad images that are skipped
            are counted.
        preprocess: what is done to images, None for arrays.
    """

    def __init__(self, total: int | None = None, preprocess: BoundPreprocess | None = None) -> None:
        self.total = total
        self.preprocess = preprocess
        self.labels: tuple[int | None, ...] = ()
        """Of all samples, where they are known before the samples are read."""
        self.skipped: list[str] = []
        """Names of the unreadable images left out, filled while iterating."""

    @abstractmethod
    def __iter__(self) -> Iterator[Batch]: ...
