"""Which nodes of a QOperator graph a region can compute."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import constant, static_int
from pyq8.rewrite.region.movement import find_move
from pyq8.rewrite.region.nodes import CUTS, data, first_channel, is_bytes, is_pixel, qparams, rank, size, zeros_agree
from pyq8.rewrite.region.sizes import known
from pyq8.rewrite.region.spec import DOMAIN, MOST_PRODUCTS, MOST_RESULT, MOST_SCALE
from pyq8.types import Array

MICROSOFT = "com.microsoft"
LEAST_SCALE = 1e-30
TOO_FAR = "its scales are too far apart"
TABLES = {"QLinearSigmoid", "QLinearLeakyRelu", "QLinearTable"}
COMPUTES = {"QLinearConv", "QGemm", "QLinearAdd", "QLinearMul", "QLinearConcat", "MaxPool", "Flatten",
            "QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearNormalize", "QuantizeLinear", "DequantizeLinear",
            "Pad", "Transpose", "Reshape", "Slice", "Split", "DepthToSpace"} | TABLES  # fmt: skip


def obstacle(node: ir.Node) -> str:
    """Why a region cannot compute a node; empty if it can."""
    if node.op_type not in COMPUTES or node.domain not in ("", MICROSOFT, DOMAIN):
        return f"{node.op_type} is not part of it"
    x = data(node)
    if any(rank(v) not in (2, 4) for v in (node.outputs[0], x)):
        return "it takes images and rows of channels only"
    last = node.op_type == "Transpose" and x is not None and x.is_graph_input()
    if not size(node.outputs[0], 1) or not size(x, 3 if last else 1):
        return "its channels are unknown"
    if not zeros_agree(node):
        return "its input has another zero point elsewhere"
    check = {"QLinearConv": _conv, "QGemm": _gemm, "MaxPool": _max_pool, "Flatten": _flatten, "Pad": _pad,
             "Slice": _cut, "Split": _cut, "DepthToSpace": _moves,
             "Transpose": _transpose, "Reshape": _reshape, "QuantizeLinear": _quantize, "DequantizeLinear": _quantize,
             "QLinearAdd": _pair, "QLinearMul": _pair, "QLinearConcat": _concat,
             "QLinearAveragePool": _average, "QLinearGlobalAveragePool": _average}.get(node.op_type)  # fmt: skip
    return check(node) if check is not None else ""


def _scalar(value: ir.Value | None) -> bool:
    array = constant(value)
    return array is not None and array.size == 1


def _all_scalars(node: ir.Node, indices: tuple[int, ...]) -> str:
    if not all(_scalar(node.inputs[i]) for i in indices):
        return "its scales are not constant"
    arrays = [array for i in indices if (array := constant(node.inputs[i])) is not None]
    fit = all(LEAST_SCALE <= float(a.reshape(())) <= MOST_SCALE for a in arrays if a.dtype.kind == "f")
    return "" if fit else TOO_FAR


def _conv(node: ir.Node) -> str:
    weight, w_scale, w_zero = (constant(node.inputs[i]) for i in (3, 4, 5))
    if weight is None or w_scale is None or w_zero is None or weight.ndim != 4:
        return "its weight is not constant or not of two dimensions"
    if weight.dtype != np.int8 or w_zero.any() or not is_bytes(node.inputs[0]):
        return "it is not uint8 times int8 with zero point 0"
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID"):
        return f"auto_pad {auto}"
    return _sum(node, weight[0].size + 4 * math.prod(weight.shape[2:]), w_scale, (1, 2, 6, 7), 8)


def _sum(node: ir.Node, products: int, w_scale: Array, scalars: tuple[int, ...], bias: int) -> str:
    if len(node.inputs) > bias and node.inputs[bias] is not None and constant(node.inputs[bias]) is None:
        return "its bias is not constant"
    if products * 2 > MOST_PRODUCTS:
        return "its sums may not fit INT32"
    found = _all_scalars(node, scalars)
    if found:
        return found
    x, y = constant(node.inputs[scalars[0]]), constant(node.inputs[scalars[2]]) if len(scalars) > 2 else np.ones(1)
    assert x is not None and y is not None
    array = constant(node.inputs[bias]) if len(node.inputs) > bias else None
    most = 255 * 128 * 2.0 * products + (0.0 if array is None else float(np.abs(array.astype(np.float64)).max()))
    return "" if most * float((x * w_scale / y).max()) < MOST_RESULT else TOO_FAR


def _gemm(node: ir.Node) -> str:
    weight, w_scale, w_zero = (constant(node.inputs[i]) for i in (3, 4, 5))
    if weight is None or w_scale is None or w_zero is None:
        return "its weight is not constant"
    if weight.dtype != np.int8 or w_zero.any() or not is_bytes(node.inputs[0]):
        return "it is not uint8 times int8 with zero point 0"
    if node.attributes.get_float("alpha", 1.0) != 1 or static_int(node, "transA", 0):
        return "alpha or transA"
    quantized = len(node.inputs) > 8 and node.inputs[7] is not None
    columns = weight.shape[1 if static_int(node, "transB", 0) else 0]
    return _sum(node, columns, w_scale, (1, 2, 7, 8) if quantized else (1, 2), 6)


def _max_pool(node: ir.Node) -> str:
    if not is_bytes(node.inputs[0]) or len(node.outputs) > 1:
        return "it is not uint8, or has two outputs"
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    return "" if auto in ("NOTSET", "VALID") else f"auto_pad {auto}"


def _average(node: ir.Node) -> str:
    auto = node.attributes.get_string("auto_pad", "NOTSET")
    if static_int(node, "channels_last", 0) or auto not in ("NOTSET", "VALID"):
        return "channels_last or auto_pad"
    return _all_scalars(node, (1, 2, 3, 4))


def _flatten(node: ir.Node) -> str:
    if not is_bytes(node.inputs[0]) or static_int(node, "axis", 1) != 1:
        return "it is not uint8, or not at axis 1"
    x = node.inputs[0]
    assert x is not None
    if rank(x) == 2 or (size(x, 2) == 1 and size(x, 3) == 1):
        return ""
    readers = [use.node for use in node.outputs[0].uses()]
    known = size(x, 1) and size(x, 2) and size(x, 3)
    gemms = readers and all(r.op_type == "QGemm" and not obstacle(r) for r in readers)
    if known and gemms and not node.outputs[0].is_graph_output():
        return ""
    return "it reorders an image"


def _pad(node: ir.Node) -> str:
    if find_move(node) is not None:
        return ""
    pads, value = constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if pads is None or pads.size != 8 or np.delete(pads, 5).any() or not is_bytes(node.inputs[0]):
        return "it does not only add channels"
    readers = [use.node for use in node.outputs[0].uses()]
    convolutions = readers and all(r.op_type == "QLinearConv" and not obstacle(r) for r in readers)
    if value is None or not convolutions or any(static_int(r, "group", 1) != 1 for r in readers):
        return "what reads it is no convolution"
    return "" if all(int(value.reshape(())) == qparams(r, 1)[1] for r in readers) else "it adds no zeros"


def _transpose(node: ir.Node) -> str:
    perm = node.attributes.get("perm")
    x = node.inputs[0]
    if x is None or not is_bytes(x) or perm is None:
        return "it is not uint8"
    order = list(perm.as_ints())
    if order == [0, 3, 1, 2] and x.is_graph_input():
        return ""
    y = node.outputs[0]
    if order != [0, 2, 3, 1] or any(use.node.op_type in COMPUTES - {"Reshape", "Slice"} for use in y.uses()):
        return "it is not a change to channels-last behind a region"
    return ""


def _reshape(node: ir.Node) -> str:
    x, y = node.inputs[0], node.outputs[0]
    assert x is not None
    same = rank(x) == rank(y) == 4 and all(size(x, i) == size(y, i) > 0 for i in (1, 2, 3))
    return "" if same and is_bytes(x) else "it changes the shape"


def _cut(node: ir.Node) -> str:
    cuts = is_bytes(node.inputs[0]) and first_channel(node.outputs[0]) is not None
    return "" if cuts or find_move(node) is not None else "it is no cut of channels, rows or columns"


def _moves(node: ir.Node) -> str:
    return "" if find_move(node) is not None else "it is not uint8"


def looked_through(node: ir.Node) -> bool:
    """Whether a node that a region takes computes nothing there."""
    if node.op_type == "Transpose":
        x = node.inputs[0]
        return x is not None and x.is_graph_input()
    return node.op_type in ("Flatten", "Pad", "Reshape", *CUTS) and find_move(node) is None


def _quantize(node: ir.Node) -> str:
    if len(node.inputs) < 3 or not is_bytes(node.inputs[0] if node.op_type == "DequantizeLinear" else node.outputs[0]):
        return "it is not uint8"
    return _all_scalars(node, (1, 2))


def _pair(node: ir.Node) -> str:
    found = _all_scalars(node, (1, 2, 4, 5, 6, 7))
    if found or not (is_bytes(node.inputs[0]) and is_bytes(node.inputs[3])):
        return found or "it is not uint8"
    (a_scale, _), (b_scale, _), (y_scale, _) = (qparams(node, i) for i in (1, 4, 6))
    factors = (a_scale * b_scale,) if node.op_type == "QLinearMul" else (a_scale, b_scale)
    if max(factors) > y_scale * np.float32(MOST_SCALE):
        return TOO_FAR
    a, b = node.inputs[0], node.inputs[3]
    assert a is not None and b is not None
    channels = [size(v, 1) for v in (a, b, node.outputs[0])]
    if len(set(channels)) != 1 or not channels[0] or rank(a) != rank(b):
        return "it spreads channels"
    if a.shape is None or b.shape is None or a.shape[0] != b.shape[0]:
        return "it may spread images"
    if rank(a) == 4 and any(size(a, i) != size(b, i) or not size(a, i) for i in (2, 3)):
        one = node.op_type == "QLinearMul" and (is_pixel(a) or is_pixel(b))
        both = list(a.shape)[2:] == list(b.shape)[2:] and all(known(dim) for dim in list(a.shape)[2:])
        return "" if one or both else "its images may differ in size"
    return ""


def _concat(node: ir.Node) -> str:
    axis = node.attributes.get("axis")
    if axis is None or axis.as_int() not in (1, 1 - rank(node.outputs[0])):
        return "it does not join channels"
    if not all(v is not None and size(v, 1) for v in node.inputs[2::3]):
        return "its channels are unknown"
    return _all_scalars(node, tuple(i for i in range(len(node.inputs)) if i < 2 or i % 3 != 2))
