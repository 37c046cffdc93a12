"""Small questions about the nodes and values of a QOperator graph."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import constant, static_int

WRITES = {"QLinearConv": 6, "QGemm": 7, "QLinearAdd": 6, "QLinearMul": 6, "QLinearAveragePool": 3, "QLinearConcat": 0,
          "QLinearGlobalAveragePool": 3, "QLinearSigmoid": 3, "QLinearLeakyRelu": 3, "QLinearNormalize": 4,
          "QLinearTable": 4}  # fmt: skip
"""Operators that compute a tensor of a region -> where the scale of it is among their inputs."""
CUTS = ("Slice", "Split")
"""Operators that take some channels of a tensor."""
PASS_ON = ("MaxPool", "Flatten", "Reshape", "Transpose", "Pad", "DepthToSpace", *CUTS)
"""Operators whose result has the scale and zero point of what they read."""


def rank(value: ir.Value | None) -> int:
    """Number of axes, 0 if unknown."""
    return len(value.shape) if value is not None and value.shape is not None else 0


def size(value: ir.Value | None, axis: int) -> int:
    """Of a dimension, 0 where it is unknown."""
    dim = value.shape[axis] if value is not None and rank(value) > axis and value.shape is not None else None
    return dim if isinstance(dim, int) else 0


def is_pixel(value: ir.Value | None) -> bool:
    """Whether it is an image of one pixel."""
    return rank(value) == 4 and size(value, 2) == size(value, 3) == 1


def is_bytes(value: ir.Value | None) -> bool:
    """Whether it holds uint8."""
    return value is not None and value.dtype == ir.DataType.UINT8


def data(node: ir.Node) -> ir.Value | None:
    """The first activation that a node reads."""
    index = 2 if node.op_type == "QLinearConcat" else 0
    return node.inputs[index] if len(node.inputs) > index else None


def qparams(node: ir.Node, index: int) -> tuple[np.float32, int]:
    """The scale at an input of a node and the zero point behind it; both constant, of one element."""
    scale, zero = constant(node.inputs[index]), constant(node.inputs[index + 1])
    assert scale is not None and zero is not None
    return np.float32(scale.reshape(())), int(zero.reshape(()))


def zero_point(value: ir.Value) -> int:
    """Of a uint8 value, as its readers say; 0 where none does."""
    pending = [iter(value.uses())]
    while pending:
        use = next(pending[-1], None)
        if use is None:
            pending.pop()
        elif use.node.op_type.startswith(("QLinear", "QGemm", "Dequantize")):
            array = constant(use.node.inputs[use.idx + 2])
            if array is not None:
                found = int(array.reshape(()))
                if found or len(pending) == 1:
                    return found
                pending.pop()
        elif use.node.op_type in PASS_ON:
            pending.append(iter([behind for value in use.node.outputs for behind in value.uses()]))
    return 0


def first_channel(value: ir.Value) -> int | None:
    """Where the channels that `value` holds begin in what it was cut from; None if it is no cut of channels alone."""
    node = value.producer()
    source = node.inputs[0] if node is not None and node.op_type in CUTS else None
    if node is None or source is None or not size(source, 1) or not size(value, 1):
        return None
    if node.op_type == "Split":
        sizes = [size(v, 1) for v in node.outputs]
        along = static_int(node, "axis", 0) in (1, 1 - rank(source))
        return sum(sizes[: node.outputs.index(value)]) if along and sum(sizes) == size(source, 1) else None
    begin, end, axes, steps = (constant(v) for v in (*node.inputs[1:], *[None] * 2)[:4])
    if begin is None or end is None or axes is None or begin.size != 1 or axes.item() not in (1, 1 - rank(source)):
        return None
    if len(node.inputs) > 4 and (steps is None or steps.item() != 1):
        return None
    first = begin.item() + size(source, 1) * (begin.item() < 0)
    return first if 0 <= first <= size(source, 1) - size(value, 1) else None


def zeros_agree(node: ir.Node) -> bool:
    """Whether a node reads every uint8 value with the zero point that it has where it is written, or first read."""
    if not node.op_type.startswith(("QLinear", "QGemm", "Dequantize")):
        return True
    for i, value in enumerate(node.inputs[:-2]):
        zero = constant(node.inputs[i + 2])
        if value is not None and is_bytes(value) and constant(value) is None and zero is not None and zero.size == 1:
            written = written_zero(value)
            if int(zero.reshape(())) != (zero_point(value) if written is None else written):
                return False
    return True


def written_zero(value: ir.Value) -> int | None:
    """The zero point that a value is written with, None for one that no quantizing operator writes."""
    node = value.producer()
    while node is not None and node.op_type in PASS_ON:
        node = node.inputs[0].producer() if node.inputs[0] is not None else None
    if node is None:
        return None
    index = 2 if node.op_type == "QuantizeLinear" else WRITES.get(node.op_type, -2) + 1
    zero = constant(node.inputs[index]) if 0 < index < len(node.inputs) else None
    return int(zero.reshape(())) if zero is not None and zero.size == 1 else None
