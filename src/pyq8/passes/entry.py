"""How an image reaches the first convolution: channels first, with as many channels as its fast kernel wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer
from pyq8.types import Array

MULTIPLE = 4
SMALLEST = 16
"""Of the output channels, see `pyq8.ops.fast_path.missed_condition`."""
CHANNELS_LAST = (0, 3, 1, 2)


def missing_channels(weight: Array) -> int:
    """How many input channels bring a Conv with this weight onto the packed kernel; 0 where none would."""
    outputs, inputs = weight.shape[:2]
    return 0 if outputs < SMALLEST or outputs % MULTIPLE else -inputs % MULTIPLE


def enter(
    graph: ir.Graph, source: ir.Value, order: Sequence[int], extra: int, fill: float, before: ir.Node
) -> ir.Value:
    """Transpose `source` by `order` to [N, C, H, W], then add `extra` channels that hold `fill` everywhere.

    ONNX Runtime moves a Transpose of four axes behind the Pad, which is slow along the last axis; through one of three
    axes it does not see.

    Args:
        graph: that gets the nodes, right before `before`.
        source: float32, four axes.
        order: permutation of its axes.
        extra: channels.
        fill: their value.
        before: the convolution, whose name theirs begin with.
    """
    name = f"{before.name}_input"
    nodes: list[ir.Node] = []

    def then(op_type: str, *inputs: ir.Value | Array, **attributes: ir.Attr) -> ir.Value:
        label = f"{name}_{op_type.lower()}{len(nodes)}"
        values = [
            v if isinstance(v, ir.Value) else add_initializer(graph, f"{label}_{i}", v) for i, v in enumerate(inputs)
        ]
        node = ir.Node("", op_type, values, list(attributes.values()), name=label)
        node.outputs[0].name = f"{label}_output"
        nodes.append(node)
        return node.outputs[0]

    def pad(value: ir.Value, rank: int) -> ir.Value:
        amounts = np.zeros(2 * rank, np.int64)
        amounts[rank + 1] = extra
        return then("Pad", value, amounts, np.asarray(fill, np.float32)) if extra else value

    value, order = source, tuple(order)
    channels = source.shape[3] if source.shape is not None else None
    if extra and order == CHANNELS_LAST and isinstance(channels, int):
        height, width = source.shape[1:3] if source.shape is not None else (None, None)
        shape: ir.Value | Array
        if isinstance(height, int) and isinstance(width, int):
            shape = np.asarray([0, channels + extra, height, width], np.int64)
        else:
            size = then("Gather", then("Shape", source), np.asarray([1, 2], np.int64))
            shape = then("Concat", np.asarray([0, channels + extra], np.int64), size, axis=ir.AttrInt64("axis", 0))
        value = then("Reshape", value, np.asarray([0, -1, channels], np.int64))
        value = pad(then("Transpose", value, perm=ir.AttrInt64s("perm", [0, 2, 1])), 3)
        value = then("Reshape", value, shape)
    else:
        if order != (0, 1, 2, 3):
            value = then("Transpose", value, perm=ir.AttrInt64s("perm", order))
        value = pad(value, 4)
    graph.insert_before(before, nodes)
    return value
