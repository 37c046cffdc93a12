"""Copies of a model that return other tensors, or compute only a part of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


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


def find_random(model: ir.Model) -> list[str]:
    """What to say of the figures of a model that draws at random, in a line; nothing of another."""
    from pyq8.graph_edit import RANDOM

    drawing = next((node for node in model.graph.all_nodes() if node.op_type in RANDOM and not node.domain), None)
    if drawing is None:
        return []
    return [
        f"node {drawing.name!r} ({drawing.op_type}) draws at random: two runs of the model differ, in FP32 too, and so "
        "do its figures; to judge it, replace what is drawn by an input"
    ]


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
