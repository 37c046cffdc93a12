"""Add, Sub, Mul or Div by a constant (one value, or one a channel) behind a Conv or ConvTranspose goes into it.

(W x + b) * m + a  =  (W * m) x + (b * m + a)
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8.graph_edit import bypass, constant, only_reader, producer
from pyq8.passes import linear
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Fold in place."""
    return for_each(model, "fold_affine", {"Add", "Sub", "Mul", "Div"}, _fold)


def _fold(node: ir.Node) -> bool:
    first = constant(node.inputs[0])
    operand = first if first is not None else constant(node.inputs[1])
    source = node.inputs[1 if first is not None else 0]
    before = producer(source, "Conv", "ConvTranspose")
    if operand is None or source is None or before is None:
        return False
    if first is not None and node.op_type in ("Sub", "Div"):
        raise Refuse("the constant is on its left")
    if only_reader(source) is not node:
        raise Refuse(f"others read the output of {before.name!r} too")
    weight, bias = linear.parameters(before)
    values = _per_channel(operand.astype(np.float64), bias.size, weight.ndim)
    one, zero = np.ones(bias.size), np.zeros(bias.size)
    if node.op_type == "Div" and not values.all():
        raise Refuse("it divides by zero")
    factor, offset = {
        "Add": (one, values),
        "Sub": (one, -values),
        "Mul": (values, zero),
        "Div": (1 / values if node.op_type == "Div" else one, zero),
    }[node.op_type]
    linear.replace(before, factor, bias * factor + offset)
    bypass(node, source)
    return True


def _per_channel(operand: npt.NDArray[np.float64], channels: int, rank: int) -> npt.NDArray[np.float64]:
    """The constant as (C,), if it broadcasts over [N, C, ...] that way."""
    shape = (1,) * (rank - operand.ndim) + operand.shape
    if shape not in ((1,) * rank, (1, channels) + (1,) * (rank - 2)):
        raise Refuse("the constant is not one value a channel")
    return np.broadcast_to(operand.reshape(-1), (channels,))
