"""Which images the search looks at, and which it never sees, so that they can judge what it found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from pyq8.loaders import Batch, Loader
from pyq8.loaders.image_loader import ImageLoader


@dataclass(frozen=True)
class Images:
    """Two sets that share no image.

    Args:
        search: looked at in every trial.
        verdict: looked at once, at the end.
        origin: where both come from, for the user.
    """

    search: Loader
    verdict: Loader
    origin: str


def divide(calib: Any, data: Any, calibration: Loader, judged: Loader, like: bool, samples: int) -> Images:
    """Search on the calibration images where they can serve, else on half of those to judge by.

    They serve if they are others, and labelled if those to judge by are.

    Args:
        calib: where the calibration images come from.
        data: where those to judge by come from.
        calibration: images from `calib` to search on.
        judged: images from `data`.
        like: whether the metric needs what may be known of images from `data` only: annotations, file names.
        samples: images to search on, at most.
    """
    labelled = (
        not judged.labels or None in judged.labels or (bool(calibration.labels) and None not in calibration.labels)
    )
    if _apart(calib, data, calibration, judged) and labelled and not (like and not _same(calib, data)):
        return Images(calibration, judged, "search on calibration images, verdict on others")
    search, verdict = Half(judged, 0, samples), Half(judged, 1)
    return Images(search, verdict, "search on one half of the images, verdict on the other")


def _apart(calib: Any, data: Any, calibration: Loader, judged: Loader) -> bool:
    if isinstance(calibration, ImageLoader) and isinstance(judged, ImageLoader):
        return calibration.paths.isdisjoint(judged.paths)
    return not _same(calib, data)


def _same(calib: Any, data: Any) -> bool:
    if isinstance(calib, str | Path) and isinstance(data, str | Path):
        return Path(calib).resolve() == Path(data).resolve()
    return calib is data


class Half(Loader):
    """Half of a loader's images: an image's digest says which, so that copies of one image stay together.

    Args:
        whole: of all of them.
        side: 0 or 1.
        samples: how many to take at most, None for all.
    """

    def __init__(self, whole: Loader, side: int, samples: int | None = None) -> None:
        super().__init__(None, whole.preprocess)
        self._whole, self._side, self._samples = whole, side, samples
        self.labels, self.skipped = whole.labels, whole.skipped

    def __iter__(self) -> Iterator[Batch]:
        """Batches of one image."""
        return islice((b for b in _single(self._whole) if _side(b) == self._side), self._samples)


def _single(loader: Loader) -> Iterator[Batch]:
    for batch in loader:
        for i in range(len(batch)):
            feeds = {name: array[i : i + 1] for name, array in batch.feeds.items()}
            yield replace(batch, feeds=feeds, labels=batch.labels[i : i + 1], names=batch.names[i : i + 1])


def _side(image: Batch) -> int:
    digest = hashlib.sha256()
    for name in sorted(image.feeds):
        digest.update(np.ascontiguousarray(image.feeds[name]).tobytes())
    return digest.digest()[0] & 1
