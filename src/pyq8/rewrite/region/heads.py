"""Detection heads: what a region computes leaves channels-last where the graph wants rows of one box each."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, only_reader, producer, replace_node, set_input, static_ints
from pyq8.rewrite.region.nodes import is_bytes, rank, size


def leave_channels_last(transpose: ir.Node) -> None:
    """Replace (N, A * K, H, W) -> (N, A, K, H, W) -> (N, H, W, A, K) -> (N, H * W * A, K) by a change to channels-last.

    Source: torchvision/models/detection/retinanet.py and ssd.py, `permute(0, 3, 4, 1, 2)`.
    """
    if transpose.op_type != "Transpose" or static_ints(transpose, "perm", []) != [0, 3, 4, 1, 2]:
        return
    split = producer(transpose.inputs[0], "Reshape")
    join = only_reader(transpose.outputs[0])
    graph = transpose.graph
    if split is None or join is None or join.op_type != "Reshape" or graph is None:
        return
    x, five, rows = split.inputs[0], split.outputs[0], join.outputs[0]
    columns = size(five, 2)
    if not is_bytes(x) or x is None or x.shape is None or rank(x) != 4 or not size(x, 1) or not columns:
        return
    if size(x, 1) % columns or any(size(x, i) != size(five, i + 1) or not size(x, i) for i in (2, 3)):
        return
    if rank(rows) != 3 or size(rows, 2) != columns or rows.shape is None or rows.shape[0] != x.shape[0]:
        return
    cut = producer(x, "Slice")
    whole = cut.inputs[0] if cut is not None and _first_channels(cut) and only_reader(x, shapes=False) is split else x
    last = ir.node("Transpose", [whole], {"perm": [0, 2, 3, 1]}, name=transpose.name)
    new = [last]
    if cut is not None and whole is not x:
        axis = add_initializer(graph, f"{x.name}_axis", np.array([3]))
        new.append(ir.node("Slice", [last.outputs[0], cut.inputs[1], cut.inputs[2], axis], name=cut.name))
    for node in new:
        channels = size(whole if node is last else x, 1)
        node.outputs[0].name, node.outputs[0].type = f"{x.name}_{node.op_type}", x.type
        node.outputs[0].shape = ir.Shape([x.shape[0], x.shape[2], x.shape[3], channels])
    set_input(join, 1, add_initializer(graph, f"{rows.name}_shape", np.array([0, -1, columns])))
    replace_node(transpose, new)


def _first_channels(cut: ir.Node) -> bool:
    """Whether a Slice takes away the last channels of an image."""
    if len(cut.inputs) != 4:
        return False
    begin, end, axes = (constant(v) for v in cut.inputs[1:])
    if begin is None or end is None or axes is None or not begin.size == end.size == axes.size == 1:
        return False
    return int(begin.item()) == 0 and int(axes.item()) == 1 and int(end.item()) == size(cut.outputs[0], 1) > 0
