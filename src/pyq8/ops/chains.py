"""Chains of elementwise operators on one tensor: of a tensor of 256 codes they make a table of 256 codes.

SiLU, HardSwish, GELU and Mish in any spelling, constants that are added and multiplied: whatever computes every element
of a tensor from that element alone, its channel perhaps, and constants.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from pyq8.graph_edit import constant

if TYPE_CHECKING:
    import onnx_ir as ir

ELEMENTWISE = frozenset(
    "Add Sub Mul Div Pow Min Max Sigmoid HardSigmoid HardSwish Tanh Relu LeakyRelu PRelu ThresholdedRelu Elu Selu Celu "
    "Softplus Softsign Mish Swish Gelu Erf Exp Log Sqrt Reciprocal Abs Neg Clip".split()
)


def operands(node: ir.Node) -> list[ir.Value]:
    """The tensors that an elementwise operator computes with, none of them constant; of any other node none."""
    if node.op_type not in ELEMENTWISE or node.domain not in ("", "ai.onnx") or len(node.outputs) != 1:
        return []
    output = node.outputs[0]
    if output.dtype is None or output.dtype.name != "FLOAT" or not _fits(node):
        return []
    return [v for v in node.inputs if v is not None and constant(v) is None]


def _fits(node: ir.Node) -> bool:
    """Whether its constants are one value or one a channel, and it gives its other inputs no other shape."""
    y = node.outputs[0]
    for value in (v for v in node.inputs if v is not None):
        array = constant(value)
        if array is None:
            if value.shape is None or y.shape is None or len(value.shape) != len(y.shape):
                return False
        elif y.shape is None or array.dtype.kind != "f" or array.ndim > len(y.shape):
            return False
        else:
            shape = (1,) * (len(y.shape) - array.ndim) + array.shape
            channels = shape[1] if len(shape) > 1 else 1
            if array.size not in (1, channels) or (channels > 1 and channels != y.shape[1]):
                return False
    return True


def find_sources(nodes: Iterable[ir.Node], outside: Container[str] = ()) -> dict[ir.Node, ir.Value]:
    """Node of a chain -> the tensor that it is a function of.

    Args:
        nodes: in topological order, their shapes known.
        outside: names of nodes that are in no chain.
    """
    found: dict[ir.Node, ir.Value] = {}
    for node in nodes:
        if (node.name or "") in outside:
            continue
        sources = {source_of(value, found) for value in operands(node)}
        if len(sources) == 1:
            found[node] = sources.pop()
    return found


def source_of(value: ir.Value, sources: dict[ir.Node, ir.Value]) -> ir.Value:
    """The tensor that a value is a function of: itself where no node of a chain computes it."""
    producer = value.producer()
    return sources.get(producer, value) if producer is not None else value
