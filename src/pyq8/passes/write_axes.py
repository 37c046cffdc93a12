"""Pad and Resize of some axes (opset 18) become the same of all axes: 0 is padded, or the scale is 1, on the others.

ONNX Runtime's layout passes permute what stands for the axes as if it stood for all: a model with `axes` then does not
run, or resizes other axes.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, set_input
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array

ROI, SCALES, SIZES = 1, 2, 3


def run(model: ir.Model) -> PassResult:
    """Write them out in place; amounts that are computed are gathered from what computes them."""
    return for_each(model, "write_axes", {"Pad", "Resize"}, _write)


def _write(node: ir.Node) -> bool:
    source = node.inputs[0]
    attribute = node.attributes.get("axes")
    given = node.inputs[3] if node.op_type == "Pad" and len(node.inputs) > 3 else None
    if given is None and attribute is None:
        return False
    axes = constant(given) if attribute is None else np.asarray(attribute.as_ints())
    if axes is None:
        raise Refuse("its axes are not constant")
    if source is None or source.shape is None:
        raise Refuse("the rank of what it reads is not known")
    rank = len(source.shape)
    of = {int(axis) % rank: place for place, axis in enumerate(axes)}
    once = [of.get(axis) for axis in range(rank)]
    count = len(axes)
    twice = [*once, *(None if place is None else place + count for place in once)]
    if node.op_type == "Pad":
        _spread(node, 1, twice, np.zeros(2 * rank, np.int64))
        set_input(node, 3, None)
        return True
    if node.attributes.get_string("keep_aspect_ratio_policy", "stretch") != "stretch" and _is_given(node, SIZES):
        raise Refuse("it keeps the aspect ratio of its axes")
    _spread(node, ROI, twice, np.repeat(np.asarray([0, 1], np.float32), rank))
    _spread(node, SCALES, once, np.ones(rank, np.float32))
    _spread(node, SIZES, once, None)
    node.attributes.pop("axes")
    return True


def _is_given(node: ir.Node, index: int) -> bool:
    value = node.inputs[index] if index < len(node.inputs) else None
    return value is not None and (value.const_value is None or value.const_value.size > 0)


def _spread(node: ir.Node, index: int, places: list[int | None], others: Array | None) -> None:
    """Put input `index` at the places of its axes, and `others` at the rest: None for the sizes of what is read."""
    if not _is_given(node, index):
        return
    value, graph, source = node.inputs[index], node.graph, node.inputs[0]
    assert value is not None and graph is not None and source is not None and source.shape is not None
    name = f"{node.name}_all_axes"
    array, sizes = constant(value), list(source.shape)
    if others is None and all(isinstance(s, int) for s, p in zip(sizes, places, strict=True) if p is None):
        others = np.asarray([s if isinstance(s, int) else 0 for s in sizes], np.int64)
    if array is not None and others is not None:
        filled = np.asarray([o if p is None else array[p] for p, o in zip(places, others, strict=True)], array.dtype)
        set_input(node, index, add_initializer(graph, name, filled))
        return
    nodes: list[ir.Node] = []
    if others is None:
        rest = ir.node("Shape", [source], name=f"{name}_shape_{index}")
        nodes.append(rest)
        tail = rest.outputs[0]
    else:
        tail = add_initializer(graph, f"{name}_others", others)
    joined = ir.node("Concat", [value, tail], {"axis": 0}, name=f"{name}_concat_{index}")
    count = len({p for p in places if p is not None})
    order = np.asarray([count + i if p is None else p for i, p in enumerate(places)], np.int64)
    picked = ir.node("Gather", [joined.outputs[0], add_initializer(graph, f"{name}_order", order)],
                     name=f"{name}_gather_{index}")  # fmt: skip
    nodes += [joined, picked]
    for made in nodes:
        made.outputs[0].name = f"{made.name}_output"
        made.outputs[0].type = value.type
    graph.insert_before(node, nodes)
    set_input(node, index, picked.outputs[0])
