"""Run a model image by image, whatever the batch size of the data and of the model."""

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

    size: int = 1
    whole: frozenset[str] = frozenset()

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


def with_outputs(model: ir.Model, names: Iterable[str]) -> ir.Model:
    """A copy of the model that also returns the named tensors, as far as nodes compute them."""
    copy = model.clone()
    present = {v.name for v in copy.graph.outputs}
    wanted = set(names) - present
    copy.graph.outputs.extend(v for node in copy.graph for v in node.outputs if v.name in wanted)
    return copy


def with_seeds(model: ir.Model) -> ir.Model:
    """A copy whose random operators draw the same numbers in every session: so two models can be compared."""
    import onnx_ir as ir

    from pyq8.graph_edit import RANDOM

    copy = model.clone()
    for node in copy.graph.all_nodes():
        if node.op_type in RANDOM and not node.domain and "seed" not in node.attributes:
            node.attributes["seed"] = ir.AttrFloat32("seed", 0.0)
    return copy


def outputs_only(model: ir.Model, names: Iterable[str]) -> ir.Model:
    """A copy of the model that returns the named tensors, in this order, and computes nothing else."""
    return between(model, [v.name or "" for v in model.graph.inputs], names)


def between(model: ir.Model, inputs: Iterable[str], outputs: Iterable[str]) -> ir.Model:
    """A copy of the part of a model that computes some tensors from others.

    Args:
        model: the whole.
        inputs: tensors that the part takes as they are.
        outputs: tensors that it returns, in this order; none of the inputs.
    """
    import onnx_ir as ir
    from onnx_ir.passes import common

    from pyq8.fresh_names import owners, rename_new
    from pyq8.graph_edit import reads

    copy = model.clone()
    graph = copy.graph
    before = owners(graph)
    values = {v.name: v for v in (*graph.inputs, *(v for node in graph for v in node.outputs))}
    graph.outputs.clear()
    taken = []
    for name in inputs:
        value = values[name]
        if value.producer() is not None:
            value.name = f"{name}_computed"  # nothing reads it any more
            fresh = ir.Value(name=name, type=value.type, shape=value.shape)
            value.replace_all_uses_with(fresh)
            value = fresh
        taken.append(value)
    graph.outputs.extend(values[name] for name in outputs)
    graph.inputs.clear()
    graph.inputs.extend(taken)
    needed = set(graph.outputs)
    dead = []
    for node in reversed(graph):  # not by uses: the body of a dead Loop still counts among them
        if needed.isdisjoint(node.outputs):
            dead.append(node)
        else:
            needed.update(reads(node))
    graph.remove(dead)
    common.RemoveUnusedNodesPass()(copy)
    rename_new(graph, before)
    return copy


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
