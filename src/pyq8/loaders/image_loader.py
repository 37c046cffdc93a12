"""Image files -> batches; decoding runs ahead of inference."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pyq8.errors import DataError
from pyq8.loaders.bound import BoundPreprocess
from pyq8.loaders.image_file import ImageFile
from pyq8.loaders.loader import Loader
from pyq8.loaders.sample import Batch
from pyq8.types import Array

_THREADS = 2  # Pillow releases the GIL; the other cores belong to inference
_AHEAD = 8  # decoded images that wait at most: bounds memory


class ImageLoader(Loader):
    """Batches of preprocessed images, in order.

    Args:
        images: what to read, at least one.
        preprocess: fitted to the model's input.
        batch_size: samples per batch at most; images of another size than the one before start a new
            batch. A model with a fixed batch size gets that at most.
        skip_bad: leave unreadable images out and name them in `skipped`, instead of raising.
    """

    def __init__(
        self, images: Sequence[ImageFile], preprocess: BoundPreprocess, batch_size: int, skip_bad: bool
    ) -> None:
        super().__init__(len(images), preprocess)
        self.labels = tuple(image.label for image in images)
        self._images = images
        self._preprocess = preprocess
        self._batch_size = preprocess.spec.stacked[0] or batch_size
        self._skip_bad = skip_bad

    @property
    def paths(self) -> frozenset[Path]:
        """Where the images are, links resolved."""
        return frozenset(image.path.resolve() for image in self._images)

    def __iter__(self) -> Iterator[Batch]:
        """Batches.

        Raises:
            DataError: an image cannot be read (without `skip_bad`), or none can.
        """
        self.skipped.clear()
        batches = 0
        group: list[tuple[ImageFile, Array]] = []
        for image, sample in self._decode_ahead():
            if group and group[0][1].shape != sample.shape:
                yield from (done := self._close(group))
                batches += len(done)
                group = []
            group.append((image, sample))
            if len(group) == self._batch_size:
                yield from (done := self._close(group))
                batches += len(done)
                group = []
        yield from (done := self._close(group))
        if batches + len(done) == 0:
            raise DataError(
                f"{self._images[0].path.parent}: none of {len(self._images)} images can be read; give readable ones"
            )

    def _close(self, group: list[tuple[ImageFile, Array]]) -> list[Batch]:
        """The batch of a group; none where it is empty."""
        if not group:
            return []
        images, samples = zip(*group, strict=True)
        return [
            Batch(
                {self._preprocess.spec.name: np.stack(samples)},
                tuple(image.label for image in images),
                tuple(image.name for image in images),
            )
        ]

    def _decode_ahead(self) -> Iterator[tuple[ImageFile, Array]]:
        waiting: deque[tuple[ImageFile, Future[Array]]] = deque()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="pyq8-decode")
        try:
            for image in self._images:
                waiting.append((image, pool.submit(self._preprocess, image.path)))
                if len(waiting) >= _AHEAD:
                    yield from self._take(*waiting.popleft())
            while waiting:
                yield from self._take(*waiting.popleft())
        finally:
            pool.shutdown(cancel_futures=True)

    def _take(self, image: ImageFile, future: Future[Array]) -> list[tuple[ImageFile, Array]]:
        try:
            return [(image, future.result())]
        except DataError:
            if not self._skip_bad:
                raise
            self.skipped.append(image.name)
            return []
