"""What models return for images, spread over an executor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from pyq8.loaders import Batch
from pyq8.model.intake import Intake, single
from pyq8.runtime.sessions import run
from pyq8.types import Array, Feeds
from pyq8.workers.spread import Sessions, spread

if TYPE_CHECKING:
    import onnx_ir as ir


class Piece(Protocol):
    """As many images as a model takes at a time; the first `len(names)` are real."""

    @property
    def feeds(self) -> Feeds: ...  # noqa: D102
    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102


P = TypeVar("P", bound=Piece)


def pieces(batch: Batch, intake: Intake, inputs: Iterable[str]) -> Iterator[Batch]:
    """Cut a batch into what single runs take of these inputs; a short last one is filled up with copies."""
    done, wanted = 0, frozenset(inputs)
    for feeds, count in single([batch.feeds], intake):
        part = slice(done, done + count)
        fed = {name: array for name, array in feeds.items() if name in wanted}
        yield replace(batch, feeds=fed, labels=batch.labels[part], names=batch.names[part])
        done += count


def run_models(
    models: Sequence[ir.Model],
    names: Sequence[str],
    size: int,
    images: Iterable[P],
    executor: Executor | None = None,
    what: Sequence[str] = ("the FP32 model", "the INT8 model"),
) -> Iterator[tuple[P, list[dict[str, Array]]]]:
    """Run models on the same pieces, in order.

    Args:
        models: which take `size` images at a time, or any number.
        names: of the outputs.
        size: images in a piece.
        images: the pieces.
        executor: see `spread`.
        what: the models, for messages.

    Yields:
        A piece, and for every model its outputs: name -> array with one row an image.
    """
    items = ((piece, (piece.feeds, len(piece.names))) for piece in images)
    for kept, outputs in spread(executor, models, partial(_run, list(names), size, list(what)), items):
        yield from zip(kept, outputs, strict=True)


def _run(
    names: list[str], size: int, what: list[str], sessions: Sessions, item: tuple[Feeds, int]
) -> list[list[dict[str, Array]]]:
    feeds, count = item
    pairs = zip(sessions, what, strict=False)
    return [[run_images(session, names, feeds, size, count, model) for session, model in pairs]]


def run_images(
    session: Any, names: Sequence[str], feeds: Feeds, size: int, count: int, what: str = "the FP32 model"
) -> dict[str, Array]:
    """Output name -> array with one row an image, for the outputs that are numbers.

    A sequence of tensors becomes one row of all their elements. Strings, maps and empty optionals are left out.

    Args:
        session: of a model that takes `size` images at a time.
        names: of its outputs.
        feeds: `size` images, of which the first `count` are real.
        size: likewise.
        count: likewise.
        what: the model, for messages.

    Raises:
        ModelError: the model fails on them.
    """
    found = zip(names, run(session, names, feeds, what), strict=True)
    rows = ((name, rows_of(value, size, count)) for name, value in found)
    return {name: array for name, array in rows if array is not None}


def _numbers(output: Array | list[Any] | None, size: int) -> Array | None:
    """A tensor, or a sequence of tensors as [size, 1, elements]; None for what is not made of numbers."""
    if isinstance(output, np.ndarray):
        return output if output.dtype.kind in "biuf" else None
    parts = [] if output is None else [_numbers(part, size) for part in output]
    rows = [part.reshape(size, -1) for part in parts if part is not None and part.size % size == 0]
    return np.concatenate(rows, axis=1)[:, None] if rows and len(rows) == len(parts) else None


def rows_of(output: Array | list[Any] | None, size: int, count: int) -> Array | None:
    """An output with one row an image: an output of one image that has no batch axis gets one; None: no numbers."""
    array = _numbers(output, size)
    if array is None:
        return None
    if size == 1 and (array.ndim == 0 or len(array) != 1):
        return array[None]
    return array[:count]
