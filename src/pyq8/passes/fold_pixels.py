"""Normalization of uint8 pixels goes into the first convolution, which then reads the pixels themselves.

    x_c = m_c p_c + o_c                    the graph's Cast, Mul, Sub, Div, Add, Transpose, Gather (RGB to BGR)
        = m_c (p_c - z) + r_c              r_c = m_c z + o_c, z the whole number nearest to the mean of the -o_c / m_c
    sum_c W_c x_c = sum_c (W_c m_c) (p_c - z) + K        K = sum_c W_c r_c, for every tap of the kernel

p_c - z is a DequantizeLinear of scale 1: nothing is rounded. Where the convolution pads, x is 0 outside the image, and
so must be K: it may not go into the bias. It becomes the weight of one more channel that holds the same pixel v
everywhere inside and, by padding with the zero point, 0 outside: K = (K / (v - z)) (v - z). So border pixels are exact.
Without padding, K goes into the bias; where all means are one whole number it is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8.graph_edit import (
    add_initializer,
    constant,
    only_reader,
    replace_node,
    set_input,
    shape_readers,
    static_int,
    static_ints,
)
from pyq8.passes import linear
from pyq8.passes.entry import enter, missing_channels
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array

ARITHMETIC = ("Add", "Sub", "Mul", "Div")
WHITE = 255
NOTHING = 1e-6
"""Of the pixels' range: what is left of the means is rounding."""


@dataclass
class _Pixels:
    """Channel c of the tensor is factor_c * p[channel_c] + offset_c; its axes are those of p in `order`."""

    factor: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    channel: npt.NDArray[np.int64]
    order: list[int]


def run(model: ir.Model) -> PassResult:
    """Fold in place."""
    return for_each(model, "fold_pixels", {"Cast"}, _fold)


def _fold(node: ir.Node) -> bool:
    source = node.inputs[0]
    if source is None or not source.is_graph_input() or source.dtype != ir.DataType.UINT8:
        return False
    if node.outputs[0].dtype != ir.DataType.FLOAT:
        raise Refuse("it does not make float32")
    if source.shape is None or len(source.shape) != 4:
        raise Refuse("its input does not have four axes")
    chain = list(_readers(node))
    conv = chain.pop()
    weight, bias = linear.parameters(conv)
    if static_int(conv, "group", 1) != 1 or weight.ndim != 4:
        raise Refuse(f"{conv.name!r} is grouped, or not two-dimensional")
    pixels = _trace(chain, weight.shape[1])
    for made in (node, *chain):
        _keep_shape(source, made, chain)
    _replace(source, conv, weight, bias, pixels)
    return True


def _readers(node: ir.Node) -> Iterator[ir.Node]:
    """What works on the pixels, up to the convolution."""
    while True:
        partial = next((r for r in shape_readers(node.outputs[0]) if r.attributes), None)
        if partial is not None:
            raise Refuse(f"{partial.name!r} reads a part of the shape of normalized pixels")
        following = only_reader(node.outputs[0], shapes=False)
        if following is None:
            raise Refuse(f"the output of {node.name!r} has not one reader")
        if following.op_type not in (*ARITHMETIC, "Transpose", "Gather", "Conv") or following.domain:
            raise Refuse(f"{following.op_type} {following.name!r} comes before the first convolution")
        yield following
        if following.op_type == "Conv":
            if following.inputs[0] is not node.outputs[0]:
                raise Refuse("it is a weight")
            return
        node = following


def _keep_shape(source: ir.Value, made: ir.Node, chain: list[ir.Node]) -> None:
    """What reads the shape of normalized pixels reads that of the pixels, its axes in the same order."""
    order = [0, 1, 2, 3]
    for node in chain[: chain.index(made) + 1] if made in chain else []:
        order = _permuted(order, node)
    for reader in shape_readers(made.outputs[0]):
        if reader.op_type == "Shape" and order != [0, 1, 2, 3]:
            graph = reader.graph
            assert graph is not None
            axes = add_initializer(graph, f"{reader.name}_axes", np.asarray(order, np.int64))
            shape = ir.node("Shape", [source], name=f"{reader.name}_of_pixels")
            shape.outputs[0].name = f"{shape.name}_output"
            replace_node(reader, [shape, ir.node("Gather", [shape.outputs[0], axes], name=reader.name)])
        else:
            set_input(reader, 0, source)


def _permuted(order: list[int], node: ir.Node) -> list[int]:
    """The order of the axes behind `node`."""
    return [order[i] for i in static_ints(node, "perm", [3, 2, 1, 0])] if node.op_type == "Transpose" else order


def _trace(chain: list[ir.Node], channels: int) -> _Pixels:
    order = [0, 1, 2, 3]
    for node in chain:
        order = _permuted(order, node)
    channel_axis = order[1]
    pixels = _Pixels(np.ones(channels), np.zeros(channels), np.arange(channels), [0, 1, 2, 3])
    for node in chain:
        axis = pixels.order.index(channel_axis)
        if node.op_type == "Transpose":
            pixels.order = _permuted(pixels.order, node)
        elif node.op_type == "Gather":
            picked = constant(node.inputs[1])
            if static_int(node, "axis", 0) % 4 != axis or picked is None or picked.ndim != 1:
                raise Refuse(f"Gather {node.name!r} does not reorder channels")
            picked = picked % channels
            if sorted(picked.tolist()) != list(range(channels)):
                raise Refuse(f"Gather {node.name!r} does not reorder channels")
            pixels.factor, pixels.offset = pixels.factor[picked], pixels.offset[picked]
            pixels.channel = pixels.channel[picked]
        else:
            _compute(node, pixels, axis)
    if not np.isfinite(pixels.factor).all() or not pixels.factor.all() or not np.isfinite(pixels.offset).all():
        raise Refuse("it multiplies by 0, or by what is not finite")
    return pixels


def _compute(node: ir.Node, pixels: _Pixels, axis: int) -> None:
    left, right = (constant(v) for v in node.inputs)
    operand = left if left is not None else right
    if operand is None or (left is not None and node.op_type == "Div"):
        raise Refuse(f"{node.op_type} {node.name!r} does not compute with a constant")
    shape = (1,) * (4 - operand.ndim) + operand.shape
    wanted = tuple(pixels.factor.size if i == axis else 1 for i in range(4))
    if shape not in ((1,) * 4, wanted):
        raise Refuse(f"the constant of {node.op_type} {node.name!r} is not one value a channel")
    value = operand.astype(np.float64).reshape(-1)
    if node.op_type in ("Mul", "Div"):
        factor = value if node.op_type == "Mul" else 1 / np.where(value == 0, np.nan, value)
        pixels.factor, pixels.offset = pixels.factor * factor, pixels.offset * factor
    elif node.op_type == "Add":
        pixels.offset = pixels.offset + value
    elif left is None:
        pixels.offset = pixels.offset - value
    else:
        pixels.factor, pixels.offset = -pixels.factor, value - pixels.offset


def _replace(source: ir.Value, conv: ir.Node, weight: Array, bias: npt.NDArray[np.float64], pixels: _Pixels) -> None:
    factor, offset = pixels.factor, pixels.offset
    zero = int(np.clip(np.rint(np.mean(-offset / factor)), 0, WHITE))
    rest = factor * zero + offset
    exact = weight.astype(np.float64)
    wide = np.zeros_like(exact)
    wide[:, pixels.channel] = exact * factor.reshape(1, -1, 1, 1)
    constant_part = np.einsum("ocyx,c->oyx", exact, rest)
    extra, fill = missing_channels(weight), (WHITE if zero <= WHITE // 2 else 0) - zero
    remains, pads = np.abs(rest).max() > NOTHING * np.abs(factor).max() * WHITE, _pads(conv)
    if remains and pads:
        extra = extra or 1
    more = np.zeros((len(weight), extra, *weight.shape[2:]))
    if remains and pads:
        more[:, 0] = constant_part / fill
    elif remains:
        bias = bias + constant_part.sum(axis=(1, 2))
    graph = conv.graph
    assert graph is not None
    scale = add_initializer(graph, f"{source.name}_scale", np.asarray(1, np.float32))
    zero_point = add_initializer(graph, f"{source.name}_zero_point", np.asarray(zero, np.uint8))
    node = ir.node("DequantizeLinear", [source, scale, zero_point], name=f"{source.name}_pixels")
    (value,) = node.outputs
    value.name, value.type, value.shape = f"{source.name}_centred", ir.TensorType(ir.DataType.FLOAT), source.shape
    graph.insert_before(conv, node)
    set_input(conv, 0, enter(graph, value, pixels.order, extra, fill, conv))
    wide = np.concatenate([wide, more], axis=1).astype(np.float32)
    set_input(conv, 1, add_initializer(graph, f"{conv.name}_pixel_weight", wide))
    set_input(conv, 2, add_initializer(graph, f"{conv.name}_pixel_bias", bias.astype(np.float32)))


def _pads(conv: ir.Node) -> bool:
    if conv.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return True
    return any(static_ints(conv, "pads", [0]))
