"""The layers of one region from its nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pyq8 import affine
from pyq8.graph_edit import constant, static_int, static_ints
from pyq8.rewrite.region.match import looked_through
from pyq8.rewrite.region.movement import find_cuts, find_move
from pyq8.rewrite.region.nodes import is_bytes, is_pixel, qparams, rank, size
from pyq8.rewrite.region.patterns import find_sums
from pyq8.rewrite.region.products import convolution, product, sum_numbers
from pyq8.rewrite.region.spec import (
    BY_CHANNEL,
    CEIL,
    CHANNELS_FIRST,
    COUNT_ALL,
    Constants,
    Kind,
    Layer,
    Sink,
    Source,
    window,
)
from pyq8.rewrite.region.tensors import RegionTensors
from pyq8.types import UINT8, Array, QParams


def build(nodes: Sequence[ir.Node], constants: Constants) -> RegionTensors:
    """A region that computes what these nodes do.

    Args:
        nodes: without an obstacle, in topological order.
        constants: where its constants go.
    """
    region = RegionTensors(nodes, constants)
    sums = find_sums(nodes)
    cuts = find_cuts(nodes)
    inside = {*sums.values(), *cuts.values()}
    for node in nodes:
        if node in sums:
            convolution(region, sums[node], node)
        elif node in cuts:
            _move(region, node, cuts[node])
        elif node not in inside and not looked_through(node):
            EMIT[node.op_type](region, node)
    for value in [v for node in nodes if node.op_type != "Transpose" for v in node.outputs]:
        outside = value.is_graph_output() or any(use.node not in set(nodes) for use in value.uses())
        if outside and is_bytes(value):
            x = region.read(value)
            mode = Sink.BYTE_FLAT if rank(value) == 2 else Sink.BYTE_NCHW
            region.layer(Layer(Kind.DEQUANTIZE, x, y=region.output(value), mode=mode))
    return region


def _quantize(region: RegionTensors, node: ir.Node) -> None:
    scale, zero = qparams(node, 1)
    source = node.inputs[0]
    assert source is not None
    channels = size(source, 1)
    y = region.new(node.outputs[0], channels, zero)
    mode = Source.FLOAT_NCHW
    region.layer(Layer(Kind.QUANTIZE, region.input(source), channels, y, mode=mode, scale=region.floats(scale)), node)


def _dequantize(region: RegionTensors, node: ir.Node) -> None:
    scale, _ = qparams(node, 1)
    x = region.read(node.inputs[0])
    mode = Sink.FLOAT_FLAT if rank(node.inputs[0]) == 2 else Sink.FLOAT_NCHW
    y = region.output(node.outputs[0])
    region.layer(Layer(Kind.DEQUANTIZE, x, y=y, mode=mode, scale=region.floats(scale)), node)


def _move(region: RegionTensors, node: ir.Node, blocks: ir.Node | None = None) -> None:
    """What moves pixels, and the DepthToSpace before it."""
    moves = [found for n in (blocks, node) if n is not None and (found := find_move(n)) is not None]
    move, value = moves[-1]._replace(block=moves[0].block, channels_first=moves[0].channels_first), node.outputs[0]
    x = region.read(node.inputs[0] if blocks is None else blocks.inputs[0])
    y = region.new(value, region.channels(x) // move.block**2, region.zero(x))
    where = window([move.block] * 2, [1, 1], move[2:], [1, 1])
    layer = Layer(Kind.MOVE, x, -1, y, **where, mode=CHANNELS_FIRST if move.channels_first else 0)
    region.layer(layer, *([node] if blocks is None else [blocks, node]))


def _channels_last(region: RegionTensors, node: ir.Node) -> None:
    x = region.read(node.inputs[0])
    region.layer(Layer(Kind.DEQUANTIZE, x, y=region.output(node.outputs[0]), mode=Sink.BYTE_NHWC), node)


def _pool(region: RegionTensors, node: ir.Node) -> None:
    strides, dilations = static_ints(node, "strides", [1, 1]), static_ints(node, "dilations", [1, 1])
    pads, mode, scale = static_ints(node, "pads", [0] * 4), CEIL * static_int(node, "ceil_mode", 0), -1
    kernel = [0, 0] if node.op_type == "QLinearGlobalAveragePool" else static_ints(node, "kernel_shape", [1, 1])
    if node.op_type == "MaxPool":
        kind, x = Kind.MAX_POOL, region.read(node.inputs[0])
        zero = region.zero(x)
    else:
        kind = Kind.AVERAGE_POOL
        (x_scale, _), (y_scale, zero) = qparams(node, 1), qparams(node, 3)
        x = region.read(node.inputs[0])
        scale = region.floats(x_scale, y_scale)
        mode += COUNT_ALL * static_int(node, "count_include_pad", 0)
    y = region.new(node.outputs[0], region.channels(x), zero)
    region.layer(Layer(kind, x, -1, y, **window(kernel, strides, pads, dilations), mode=mode, scale=scale), node)


def _pair(region: RegionTensors, node: ir.Node) -> None:
    (a_scale, _), (b_scale, _), (y_scale, y_zero) = (qparams(node, i) for i in (1, 4, 6))
    left, right = node.inputs[0], node.inputs[3]
    if node.op_type == "QLinearMul" and is_pixel(left) and not is_pixel(right):
        left, right = right, left
    a, b = region.read(left), region.read(right)
    y = region.new(node.outputs[0], region.channels(a), y_zero)
    if node.op_type == "QLinearAdd":
        region.layer(Layer(Kind.ADD, a, b, y, scale=sum_numbers(region, node)), node)
    else:
        region.layer(Layer(Kind.MULTIPLY, a, b, y, scale=region.floats(a_scale * b_scale / y_scale)), node)


def _concat(region: RegionTensors, node: ir.Node) -> None:
    """What does not lie in the whole already is brought there through a table."""
    offset = 0
    for i in range(2, len(node.inputs), 3):
        value = node.inputs[i]
        channels = size(value, 1)
        if value is None or region.slices.get(value) != (node, offset):
            scale, zero = qparams(node, i + 1)
            x, y = region.read(value), region.slice(node, channels, offset)
            _table(region, node, x, y, (np.arange(256) - zero).astype(np.float32) * scale, 0)
        offset += channels


def _sigmoid(region: RegionTensors, node: ir.Node) -> None:
    x, real = _codes(region, node)
    _activation(region, node, x, (1 / (1 + np.exp(-real.astype(np.float64)))).astype(np.float32))


def _leaky_relu(region: RegionTensors, node: ir.Node) -> None:
    x, real = _codes(region, node)
    slope = np.float32(node.attributes.get_float("alpha", 0.01))
    _activation(region, node, x, np.where(real < 0, real * slope, real))


def _codes(region: RegionTensors, node: ir.Node) -> tuple[int, Array]:
    """The tensor that a node reads, and what each of its 256 codes stands for, float32."""
    scale, zero = qparams(node, 1)
    return region.read(node.inputs[0]), (np.arange(256) - zero).astype(np.float32) * scale


def _activation(region: RegionTensors, node: ir.Node, x: int, real: Array) -> None:
    y = region.new(node.outputs[0], region.channels(x), qparams(node, 3)[1])
    _table(region, node, x, y, real, 3)


def _table(region: RegionTensors, node: ir.Node, x: int, y: int, real: Array, index: int) -> None:
    scale, zero = qparams(node, index)
    codes = affine.quantize(real, QParams(np.asarray(scale), np.asarray(zero, np.int32), UINT8))
    region.layer(Layer(Kind.TABLE, x, -1, y, weight=region.constant(codes)), node)


def _chain(region: RegionTensors, node: ir.Node) -> None:
    x, codes = region.read(node.inputs[0]), constant(node.inputs[3])
    assert codes is not None
    y = region.new(node.outputs[0], region.channels(x), qparams(node, 4)[1])
    mode = BY_CHANNEL if codes.ndim == 2 else 0
    region.layer(Layer(Kind.TABLE, x, -1, y, mode=mode, weight=region.constant(codes)))
    region.names[-1] = "\n".join(node.attributes["names"].as_strings())


def _normalize(region: RegionTensors, node: ir.Node) -> None:
    (x_scale, _), (y_scale, y_zero) = qparams(node, 1), qparams(node, 4)
    x = region.read(node.inputs[0])
    y = region.new(node.outputs[0], region.channels(x), y_zero)
    weight = constant(node.inputs[3])
    assert weight is not None
    scale = region.floats(x_scale, node.attributes["least"].as_float(), y_scale)
    region.layer(Layer(Kind.NORMALIZE, x, -1, y, weight=region.constant(weight), scale=scale), node)


EMIT = {
    "DepthToSpace": _move,
    "DequantizeLinear": _dequantize,
    "MaxPool": _pool,
    "Pad": _move,
    "QGemm": product,
    "QLinearAdd": _pair,
    "QLinearAveragePool": _pool,
    "QLinearConcat": _concat,
    "QLinearConv": convolution,
    "QLinearGlobalAveragePool": _pool,
    "QLinearLeakyRelu": _leaky_relu,
    "QLinearMul": _pair,
    "QLinearNormalize": _normalize,
    "QLinearSigmoid": _sigmoid,
    "QLinearTable": _chain,
    "QuantizeLinear": _quantize,
    "Slice": _move,
    "Transpose": _channels_last,
}
