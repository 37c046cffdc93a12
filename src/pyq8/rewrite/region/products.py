"""Layers that multiply by weights: QLinearConv and QGemm."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import constant, static_int, static_ints
from pyq8.rewrite.region.nodes import qparams, rank, size
from pyq8.rewrite.region.pack import pack, spread
from pyq8.rewrite.region.spec import TO_FLOAT, Kind, Layer, window
from pyq8.rewrite.region.tensors import RegionTensors
from pyq8.types import Array


def convolution(region: RegionTensors, node: ir.Node, add: ir.Node | None = None) -> None:
    """QLinearConv, and the QLinearAdd that runs in it."""
    (x_scale, _), (y_scale, y_zero) = qparams(node, 1), qparams(node, 6)
    x = region.read(node.inputs[0])
    groups = static_int(node, "group", 1)
    weight = _array(node, 3)[:, : region.channels(x) // groups]  # a Pad that is looked through added the others
    other, more, zero = -1, -1, y_zero
    value = node.outputs[0]
    if add is not None:
        first = add.inputs[0] is value
        other = region.read(add.inputs[3 if first else 0])
        more = sum_numbers(region, add, y_zero, other_first=not first)
        value, zero = add.outputs[0], qparams(add, 6)[1]
    elif value in region.slices:
        scale, zero = qparams(region.slices[value][0], 0)
        if (scale, zero) != (y_scale, y_zero):
            more = region.floats(y_zero, y_scale, scale)
    y = region.new(value, len(weight), zero)
    stride, pads = static_ints(node, "strides", [1, 1]), static_ints(node, "pads", [0] * 4)
    dilation = static_ints(node, "dilations", [1, 1])
    multipliers = _multipliers(x_scale, _array(node, 4), y_scale, len(weight))
    bias = constant(node.inputs[8]) if len(node.inputs) > 8 else None
    depthwise = weight.shape[1] == 1 and groups == len(weight) == region.channels(x) > 1 and add is None and more < 0
    kind = Kind.DEPTHWISE if depthwise else Kind.CONV
    where = window(weight.shape[2:], stride, pads, dilation)
    weight_at, bias_at, scale_at = _constants(region, kind, weight, bias, multipliers, x, dilation[1], groups)
    layer = Layer(kind, x, other, y, **where, groups=groups, weight=weight_at, bias=bias_at, scale=scale_at, more=more)
    region.layer(layer, *([node] if add is None else [node, add]))


def product(region: RegionTensors, node: ir.Node) -> None:
    """QGemm: a convolution that takes the whole image at once."""
    x_scale, _ = qparams(node, 1)
    weight = _array(node, 3)
    weight = weight if static_int(node, "transB", 0) else weight.T
    x = region.read(node.inputs[0])
    weight = weight.reshape(len(weight), *_image(node.inputs[0], weight.shape[1]))
    if len(node.inputs) > 8 and node.inputs[7] is not None:
        y_scale, y_zero = qparams(node, 7)
        y, mode, more = region.new(node.outputs[0], len(weight), y_zero), 0, -1
    else:
        y_scale, mode, more = np.float32(1), TO_FLOAT, len(weight)
        y = region.output(node.outputs[0])
    multipliers = _multipliers(x_scale, _array(node, 4), y_scale, len(weight))
    bias = constant(node.inputs[6]) if len(node.inputs) > 6 else None
    weight_at, bias_at, scale_at = _constants(region, Kind.CONV, weight, bias, multipliers, x, 1, 1)
    where = window(weight.shape[2:], [1, 1], [0] * 4, [1, 1])
    region.layer(
        Layer(Kind.CONV, x, y=y, **where, mode=mode, weight=weight_at, bias=bias_at, scale=scale_at, more=more), node
    )


def sum_numbers(region: RegionTensors, node: ir.Node, zero: int = 0, other_first: bool = False) -> int:
    """Where the numbers of a Sum (csrc/int8/isa.h) are: those that ONNX Runtime's QLinearAdd computes with.

    Source: onnxruntime/core/mlas/lib/qladd.cpp.
    """
    (a_scale, a_zero), (b_scale, b_zero), (y_scale, y_zero) = (qparams(node, i) for i in (1, 4, 6))
    a, b = a_scale / y_scale, b_scale / y_scale
    offset = np.float32(np.float64(a) * a_zero + np.float64(b * np.float32(b_zero)))  # fused there: rounded once
    return region.floats(a, b, np.float32(y_zero) - offset, zero, other_first)


def _constants(region: RegionTensors, kind: Kind, weight: Array, bias: Array | None, multipliers: Array, x: int,
               dilation: int, groups: int) -> tuple[int, int, int]:  # fmt: skip
    """Where weight, bias and multipliers are. The zero point of x goes into the bias, so that pads hold it too."""
    total = np.zeros(len(weight), np.int64) if bias is None else bias.astype(np.int64)
    total = total - region.zero(x) * weight.astype(np.int64).sum((1, 2, 3))
    total = total.astype(np.int32)  # it wraps as the runtime's sums do
    if kind == Kind.DEPTHWISE:
        packed = weight[:, 0].transpose(1, 2, 0)
    else:
        tensor = region.spec.tensors[x]
        alone = tensor.parent < 0 or region.channels(tensor.parent) == tensor.channels
        packed = pack(weight, groups, dilation == 1 and groups == 1 and alone)
        total, multipliers = spread(total, groups), spread(multipliers, groups)
    return region.constant(packed), region.constant(total), region.constant(multipliers)


def _image(value: ir.Value | None, columns: int) -> tuple[int, int, int]:
    """Channels, height and width of what a Flatten made a row of."""
    made = value.producer() if value is not None else None
    source = made.inputs[0] if made is not None and made.op_type == "Flatten" else None
    return (size(source, 1), size(source, 2), size(source, 3)) if rank(source) == 4 else (columns, 1, 1)


def _array(node: ir.Node, index: int) -> Array:
    array = constant(node.inputs[index])
    assert array is not None
    return array


def _multipliers(x: np.float32, w: Array, y: np.float32, outputs: int) -> Array:
    """float32, computed in the order of ONNX Runtime's kernels."""
    scales: Array = x * w.astype(np.float32).reshape(-1) / y
    return np.broadcast_to(scales, (outputs,))
