"""L2 normalization between two quantized tensors, as SSD300 has it, is one layer of a region."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, producer, replace_node, static_int, static_ints
from pyq8.rewrite.region.match import LEAST_SCALE, obstacle
from pyq8.rewrite.region.nodes import rank, size
from pyq8.rewrite.region.spec import DOMAIN, MOST_NORMALIZED, MOST_SCALE
from pyq8.types import Array

OP_TYPE = "QLinearNormalize"
"""Inputs: x, its scale and zero point, weights, scale and zero point of the result. A region takes it."""


def join_normalization(quantize: ir.Node) -> None:
    """Replace a QuantizeLinear and what it reads by one QLinearNormalize.

    DequantizeLinear, ReduceL2, Clip, Expand, Div and maybe Mul by a constant a channel: PyTorch's
    `functional.normalize`.
    """
    if quantize.op_type != "QuantizeLinear":
        return
    value = quantize.inputs[0]
    mul = producer(value, "Mul")
    weights, value = _weights(mul) if mul is not None else (None, value)
    div = producer(value, "Div")
    if div is None or (mul is not None and weights is None):
        return
    dequantize = producer(div.inputs[0], "DequantizeLinear")
    expand = producer(div.inputs[1], "Expand")
    clip = producer(expand.inputs[0] if expand is not None else div.inputs[1], "Clip")
    length = producer(clip.inputs[0], "ReduceL2") if clip is not None else None
    least = constant(clip.inputs[1]) if clip is not None and len(clip.inputs) == 2 else None
    if dequantize is None or length is None or length.inputs[0] is not div.inputs[0] or least is None:
        return
    x, y = dequantize.inputs[0], quantize.outputs[0]
    made = producer(x, "QLinearConv")
    channels = size(x, 1)
    if made is None or obstacle(made) or obstacle(quantize) or obstacle(dequantize):
        return  # a region takes it only behind what a region computes
    if not 0 < channels <= MOST_NORMALIZED or rank(x) != 4 or not _over_channels(length):
        return
    weights = np.ones(1, np.float32) if weights is None else weights
    if (
        weights.size not in (1, channels)
        or least.size != 1
        or not LEAST_SCALE <= float(least.reshape(())) <= MOST_SCALE
    ):
        return
    graph = quantize.graph
    assert graph is not None
    array = np.broadcast_to(weights.reshape(-1), (channels,)).astype(np.float32)
    initializer = add_initializer(graph, f"{y.name}_weights", array)
    inputs = [*dequantize.inputs[:3], initializer, *quantize.inputs[1:3]]
    attributes = [ir.AttrFloat32("least", float(least.reshape(())))]
    node = ir.Node(DOMAIN, OP_TYPE, inputs, attributes, num_outputs=1, name=div.name)
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = f"{y.name}_normalized", y.type, y.shape
    replace_node(quantize, [node])


def _weights(mul: ir.Node) -> tuple[Array | None, ir.Value | None]:
    """What a Mul multiplies by, a number a channel, and what it multiplies."""
    for array, other in ((constant(mul.inputs[0]), mul.inputs[1]), (constant(mul.inputs[1]), mul.inputs[0])):
        if array is not None:
            fits = array.size == 1 or (array.ndim >= 3 and array.size == array.shape[-3])
            return (array if fits and np.isfinite(array).all() else None), other
    return None, None


def _over_channels(length: ir.Node) -> bool:
    """Whether a ReduceL2 is over axis 1 alone and keeps it."""
    axes = constant(length.inputs[1]) if len(length.inputs) > 1 else None
    over = static_ints(length, "axes", []) if axes is None else axes.ravel().tolist()
    return over in ([1], [-3]) and bool(static_int(length, "keepdims", 1))
