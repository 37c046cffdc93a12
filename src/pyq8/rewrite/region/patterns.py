"""What runs inside of a convolution, or writes where a later node wants it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pyq8.graph_edit import is_depthwise, only_reader
from pyq8.rewrite.region.movement import find_move
from pyq8.rewrite.region.nodes import WRITES, qparams, size


def find_sums(nodes: Sequence[ir.Node]) -> dict[ir.Node, ir.Node]:
    """QLinearAdd -> the convolution that it runs in: the later of those that it alone reads."""
    order = {node: i for i, node in enumerate(nodes)}
    found: dict[ir.Node, ir.Node] = {}
    for node in nodes:
        if node.op_type != "QLinearAdd" or node.inputs[0] is node.inputs[3]:
            continue
        values = [v for v in (node.inputs[0], node.inputs[3]) if v is not None and only_reader(v) is not None]
        makers = [v.producer() for v in values]
        convolutions = [m for m in makers if m in order and m is not None and m.op_type == "QLinearConv"]
        candidates = [m for m in convolutions if not is_depthwise(m, 3)]
        if candidates:
            found[node] = max(candidates, key=lambda conv: order[conv])
    return found


def find_slices(nodes: Sequence[ir.Node]) -> dict[ir.Value, tuple[ir.Node, int]]:
    """Value -> the QLinearConcat in which it lies from the start, and its first channel there.

    It has the scale of the whole, or is the result of a convolution that can requantize it.
    """
    inside = set(nodes)
    joined = {node.outputs[0] for node in nodes if node.op_type == "QLinearConcat"}
    found: dict[ir.Value, tuple[ir.Node, int]] = {}
    for node in (n for n in nodes if n.op_type == "QLinearConcat"):
        offset = 0
        for i in range(2, len(node.inputs), 3):
            value = node.inputs[i]
            assert value is not None
            made = value.producer()
            if made in inside and made is not None and value not in joined and value not in found:
                same = qparams(node, i + 1) == qparams(node, 0) and (
                    made.op_type in WRITES or made.op_type == "MaxPool" or find_move(made) is not None
                )
                requantizes = made.op_type == "QLinearConv" and not is_depthwise(made, 3)
                if same or (requantizes and only_reader(value) is not None):
                    found[value] = (node, offset)
            offset += size(value, 1)
    return found
