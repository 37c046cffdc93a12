"""Names for heights and widths that are open: two images whose sizes always agree get the same."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import constant, static_int, static_ints
from pyq8.rewrite.region.movement import find_move
from pyq8.rewrite.region.nodes import CUTS, data, first_channel, rank

KEEPS = {"QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid", "QLinearLeakyRelu", "QLinearNormalize",
         "QLinearTable", "Pad", "Slice", "Split", "QuantizeLinear", "DequantizeLinear"}  # fmt: skip
"""Operators whose result is as large as their images."""
SLIDES = {"QLinearConv", "MaxPool", "QLinearAveragePool"}


def name_sizes(graph: ir.Graph) -> None:
    """Write into the shapes of a graph what follows from the sizes of its inputs and weights.

    A height or width n becomes (n + pads - dilation * (kernel - 1) - 1) // stride + 1: that text is an open one's name.
    """
    for value in [value for node in graph for value in node.outputs]:
        _name(value)


def _name(y: ir.Value) -> None:
    node = y.producer()
    if node is None or rank(y) != 4 or y.shape is None:
        return
    for axis in (1, 2, 3):
        found = _size(node, axis) if axis > 1 else _channels(node)
        named = y.is_graph_output() and known(y.shape[axis]) and not isinstance(found, int)
        if found is not None and not named and not isinstance(y.shape[axis], int):
            y.shape[axis] = found


def known(dim: int | ir.SymbolicDim) -> bool:
    """Whether it has a number or a name."""
    return isinstance(dim, int) or dim.value is not None


def _channels(node: ir.Node) -> int | None:
    """Of what a convolution computes."""
    weight = constant(node.inputs[3]) if node.op_type == "QLinearConv" else None
    return None if weight is None else int(weight.shape[0])


def _size(node: ir.Node, axis: int) -> ir.SymbolicDim | int | None:
    """Of the first result of a node; None if nothing is known."""
    if node.op_type in KEEPS and not _changes(node, axis):
        images = [v for v in node.inputs if v is not None and rank(v) == 4 and constant(v) is None]
        dims = [v.shape[axis] for v in images if v.shape is not None]
        dims = [dim for dim in dims if dim != 1] or dims  # a single pixel is spread
        return dims[0] if dims and known(dims[0]) and all(dim == dims[0] for dim in dims) else None
    x = data(node)
    move = find_move(node)
    if move is not None and x is not None and x.shape is not None and known(x.shape[axis]):
        dim, more = x.shape[axis], (move.top + move.bottom, move.left + move.right)[axis - 2]
        if isinstance(dim, int) or (move.block == 1 and not more):
            return dim * move.block + more if isinstance(dim, int) else dim
        return ir.SymbolicDim(f"({dim.value})*{move.block}{more:+d}")
    if node.op_type not in SLIDES or rank(x) != 4 or x is None or x.shape is None or not known(x.shape[axis]):
        return None
    if static_int(node, "ceil_mode", 0) or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return None
    weight = constant(node.inputs[3]) if node.op_type == "QLinearConv" else None
    kernel = static_ints(node, "kernel_shape", [] if weight is None else list(weight.shape[2:]))
    pads, i = static_ints(node, "pads", [0] * 4), axis - 2
    stride = static_ints(node, "strides", [1, 1])[i]
    dilation = static_ints(node, "dilations", [1, 1])[i]
    more = pads[i] + pads[i + 2] - dilation * (kernel[i] - 1)
    dim = x.shape[axis]
    if isinstance(dim, int) or (more == 0 and stride == 1):
        return (dim + more - 1) // stride + 1 if isinstance(dim, int) else dim
    return ir.SymbolicDim(f"({dim.value}{more - 1:+d})//{stride}+1")


def _changes(node: ir.Node, axis: int) -> bool:
    """Whether a Pad or QLinearConcat may change the size along an axis."""
    if node.op_type in CUTS:
        return first_channel(node.outputs[0]) is None
    if node.op_type == "Pad":
        pads = constant(node.inputs[1])
        return pads is None or pads.size != 8 or bool(pads.reshape(2, 4)[:, axis].any())
    return node.op_type == "QLinearConcat" and static_int(node, "axis", 1) not in (1, -3)
