"""HardSigmoid and HardSwish that are spelled out become the operators, which later passes and tables know.

    clip(x + c, 0, d) / d          HardSigmoid, with alpha = 1 / d and beta = c / d
    x * clip(x + 3, 0, 6) / 6      HardSwish, whether the product or the quotient comes first

So PaddlePaddle and PyTorch of old write them; a division may be a product with the reciprocal.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import constant, only_reader, producer, replace_node
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import for_each

SINCE = 14
"""Opset that HardSwish came with; before, it is x times HardSigmoid(x)."""


def run(model: ir.Model) -> PassResult:
    """Replace in place; what is left of the spelling is dead."""
    whole = model.opset_imports.get("", SINCE) >= SINCE
    return for_each(model, "name_hard_swish", {"Clip"}, lambda clip: _replace(clip, whole))


def _replace(clip: ir.Node, whole: bool) -> bool:
    add = producer(clip.inputs[0], "Add")
    low, high = (_scalar(clip.inputs[i]) if len(clip.inputs) > i else None for i in (1, 2))
    if add is None or low != 0 or not high or clip.outputs[0].dtype not in (None, ir.DataType.FLOAT):
        return False
    source, offset = _split(add)
    if source is None or offset is None:
        return False
    reader = only_reader(clip.outputs[0])
    swish = np.allclose((offset, high), (3, 6))
    if reader is not None and swish and _other(reader, clip.outputs[0], "Mul") is source:
        last = only_reader(reader.outputs[0])
        if last is not None and _divides(last, reader.outputs[0], high):
            replace_node(last, _swish(source, last, whole))
            return True
    if reader is None or not _divides(reader, clip.outputs[0], high):
        return False
    product = only_reader(reader.outputs[0])
    if swish and product is not None and _other(product, reader.outputs[0], "Mul") is source:
        replace_node(product, _swish(source, product, whole))
        return True
    values = {"alpha": 1 / high, "beta": offset / high}
    replace_node(reader, [ir.node("HardSigmoid", [source], values, name=reader.name)])
    return True


def _swish(source: ir.Value, node: ir.Node, whole: bool) -> list[ir.Node]:
    """What computes HardSwish in place of a node, whose name it takes."""
    if whole:
        return [ir.node("HardSwish", [source], name=node.name)]
    gate = ir.node("HardSigmoid", [source], {"alpha": 1 / 6, "beta": 0.5}, name=f"{node.name}_sigmoid")
    (value,), output = gate.outputs, node.outputs[0]
    value.name, value.type, value.shape = f"{output.name}_sigmoid", output.type, output.shape
    return [gate, ir.node("Mul", [source, value], name=node.name)]


def _scalar(value: ir.Value | None) -> float | None:
    array = constant(value)
    return float(array.reshape(())) if array is not None and array.size == 1 and array.dtype == np.float32 else None


def _split(add: ir.Node) -> tuple[ir.Value | None, float | None]:
    """What is added to, and the constant that is."""
    for value, other in (add.inputs, reversed(add.inputs)):
        if (offset := _scalar(other)) is not None:
            return value, offset
    return None, None


def _other(node: ir.Node, value: ir.Value, op_type: str) -> ir.Value | None:
    """The other operand of such a node."""
    if node.op_type != op_type or node.domain or len(node.inputs) != 2:
        return None
    return node.inputs[1] if node.inputs[0] is value else node.inputs[0]


def _divides(node: ir.Node, value: ir.Value, by: float) -> bool:
    """Whether a node divides `value` by that, or multiplies it by the reciprocal; a scalar that adds no axes."""
    for op_type, expected in (("Div", by), ("Mul", 1 / by)):
        other = _other(node, value, op_type)
        if other is not None and (found := _scalar(other)) is not None and np.isclose(found, expected, rtol=1e-6):
            ranks = [len(v.shape) if v.shape is not None else None for v in (other, value)]
            return (op_type == "Mul" or node.inputs[0] is value) and None not in ranks and ranks[0] <= ranks[1]  # type: ignore[operator]
    return False
