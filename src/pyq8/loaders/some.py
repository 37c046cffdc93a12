"""The first images of a loader."""

from __future__ import annotations

from collections.abc import Iterable

from pyq8.loaders.sample import Batch
from pyq8.types import Feeds


def first(batches: Iterable[Batch], count: int) -> Iterable[Batch]:
    """At most `count` images, in their batches."""
    for batch in batches:
        if count <= 0:
            return
        part = slice(0, count)
        yield Batch({k: v[part] for k, v in batch.feeds.items()}, batch.labels[part], batch.names[part])
        count -= len(batch)


def first_feeds(batches: Iterable[Batch], count: int) -> Iterable[Feeds]:
    """The inputs alone of at most `count` images."""
    return (batch.feeds for batch in first(batches, count))
