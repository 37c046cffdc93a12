"""What only moves pixels: DepthToSpace, Pad that repeats the edge, Slice of rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import onnx_ir as ir

from pyq8.graph_edit import constant, only_reader, producer, static_int
from pyq8.rewrite.region.nodes import is_bytes, rank, size


class Move(NamedTuple):
    """Blocks of `block` x `block` pixels are laid out, then the image grows: negative, it is cut.

    With `channels_first` channel c of pixel p of a block is channel c * block^2 + p, else p * C + c.
    """

    block: int = 1
    channels_first: bool = False
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0


def find_move(node: ir.Node) -> Move | None:
    """How a node moves the pixels of an image, None if it does something else."""
    x = node.inputs[0] if node.inputs else None
    if node.domain or rank(x) != 4 or not is_bytes(x):
        return None
    if node.op_type == "DepthToSpace":
        return Move(static_int(node, "blocksize", 1), node.attributes.get_string("mode", "DCR") == "CRD")
    if node.op_type == "Pad" and node.attributes.get_string("mode", "constant") == "edge":
        pads = constant(node.inputs[1])
        if pads is None or pads.size != 8 or len(node.inputs) > 3 or pads[[0, 1, 4, 5]].any():
            return None
        return Move(1, False, *(int(pads[i]) for i in (2, 3, 6, 7)))
    return _cut(node) if node.op_type == "Slice" else None


def find_cuts(nodes: Sequence[ir.Node]) -> dict[ir.Node, ir.Node]:
    """Slice of rows and columns -> the DepthToSpace that it alone reads: one layer."""
    inside = set(nodes)
    found = {}
    for node in nodes:
        source = node.inputs[0] if node.op_type == "Slice" and find_move(node) is not None else None
        made = source.producer() if source is not None else None
        if source is None or made is None or made not in inside or only_reader(source) is not node:
            continue
        if made.op_type == "DepthToSpace":
            found[node] = made
    return found


def _cut(node: ir.Node) -> Move | None:
    if producer(node.inputs[0], "Transpose") is not None:
        return None  # its axes are others
    first, last, axes = (constant(v) for v in (*node.inputs[1:4], None, None, None)[:3])
    steps = constant(node.inputs[4]) if len(node.inputs) > 4 else None
    if (
        first is None
        or last is None
        or axes is None
        or (len(node.inputs) > 4 and (steps is None or (steps != 1).any()))
    ):
        return None
    amounts = {2: (0, 0), 3: (0, 0)}
    for begin, end, axis in zip(first.tolist(), last.tolist(), axes.tolist(), strict=True):
        whole = size(node.inputs[0], axis % 4)
        end = end - whole if whole and 0 <= end < whole else end
        if axis % 4 not in amounts or begin < 0 or (0 <= end < 2**31 - 1 and end != whole):
            return None
        amounts[axis % 4] = (-begin, min(end, 0))
    (top, bottom), (left, right) = amounts[2], amounts[3]
    return Move(1, False, top, left, bottom, right)
