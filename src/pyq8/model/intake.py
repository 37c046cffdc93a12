"""How a model takes images, one by one, whatever the batch size of the data and of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyq8.loaders.inputs import InputSpec
from pyq8.model.batch_axis import is_whole
from pyq8.types import Feeds

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Intake:
    """How a model takes samples. In data, axis 0 of every array counts them, whatever the model takes.

    Args:
        size: samples a run.
        whole: names of the inputs without a batch axis; where there are any, a run takes one sample.
    """

    size: int
    whole: frozenset[str]

    def samples(self, feeds: Feeds) -> Feeds:
        """The inputs of a run with the axis of samples in front, as data has it."""
        return {name: array[None] if name in self.whole else array for name, array in feeds.items()}


def intake(model: ir.Model) -> Intake:
    """How a model that `load` read takes samples; its fixed batch size is that of a run."""
    whole = frozenset(v.name or "" for v in model.graph.inputs if is_whole(v))
    sizes = [v.shape[0] for v in model.graph.inputs if v.shape is not None and len(v.shape) > 0]
    fixed = next((s for s in sizes if isinstance(s, int) and s > 0), 1)
    return Intake(1 if whole else fixed, whole)


def input_specs(model: ir.Model) -> list[InputSpec]:
    """Name, dtype and shape of every input."""
    specs = []
    for value in model.graph.inputs:
        dims = list(value.shape.dims) if value.shape is not None else []
        shape = tuple(d if isinstance(d, int) and d > 0 else None for d in dims)
        dtype = value.dtype.numpy().name if value.dtype is not None else "float32"
        specs.append(InputSpec(value.name or "", dtype, shape, is_whole(value)))
    return specs


def single(batches: Iterable[Feeds], intake: Intake) -> Iterator[tuple[Feeds, int]]:
    """Cut batches into what single runs take; (feeds, how many of their images are real).

    A short last piece is filled up by repeating its last image.
    """
    size = intake.size
    for feeds in batches:
        total = len(next(iter(feeds.values())))
        for start in range(0, total, size):
            piece = {k: v[start : start + size] for k, v in feeds.items()}
            count = min(size, total - start)
            if count < size:
                piece = {k: np.concatenate([v, np.repeat(v[-1:], size - count, 0)]) for k, v in piece.items()}
            piece = {k: v[0] if k in intake.whole else v for k, v in piece.items()}
            yield {k: np.asarray(v, order="C") for k, v in piece.items()}, count
