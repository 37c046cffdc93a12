"""What a node costs in INT8 and in FP32: estimated, so that the same model gives the same plan on every machine.

    ns = START + max(work / rate, memory)

for one image, with the figures of `cost_table`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import onnx_ir as ir

from pyq8.graph_edit import constant, static_int, static_ints
from pyq8.ops import cost_table as table
from pyq8.ops.fast_path import is_depthwise, missed_condition
from pyq8.ops.rule import OpRule


@dataclass(frozen=True)
class Estimate:
    """One node.

    Args:
        int8: ns.
        fp32: ns.
        cause: why INT8 is slow here, "" where nothing is known.
    """

    int8: int
    fp32: int
    cause: str = ""


def size(value: ir.Value) -> int | None:
    """Elements of one image, or of a constant; None where a dimension other than the first is open."""
    if value.const_value is not None:
        return value.const_value.size
    dims = None if value.shape is None else [d for d in list(value.shape)[1:] if isinstance(d, int)]
    return None if dims is None or len(dims) + 1 < len(value.shape or ()) else math.prod(dims)


def conversions(value: ir.Value) -> tuple[int, int]:
    """ns to quantize and to dequantize a value of known size."""
    elements = size(value)
    assert elements is not None and value.shape is not None
    is_map = len(value.shape) > 2
    quantize, dequantize = (
        round(table.START * (nodes if is_map else 1) + elements * rates[is_map])
        for nodes, rates in zip(table.NODES, (table.QUANTIZE, table.DEQUANTIZE), strict=True)
    )
    return quantize, dequantize


def estimate(node: ir.Node, rule: OpRule) -> Estimate | None:
    """What a node costs that can compute in INT8, a Relu or Clip behind it included; None where that is not known.

    Args:
        node: of a graph with shapes.
        rule: its operator's.
    """
    inputs = [v for _, v in rule.activations(node)]
    read = [size(v) for v in inputs if v.const_value is None]
    written = [size(v) for v in node.outputs if v.uses() or v.is_graph_output()]
    if None in (*read, *written):
        return None
    if node.op_type in table.FREE:
        return Estimate(0, 0)
    elements = sum(n or 0 for n in written)
    work = _work(node, inputs, elements)
    if work is None:
        return None
    touched = elements + sum(n or 0 for n in read)
    weight = constant(node.inputs[rule.weight]) if rule.weight is not None else None
    weights = 0 if weight is None else weight.size
    int8, fp32 = (
        table.START + max(ns, touched * table.TOUCH[i] + weights * table.WEIGHT[i]) for i, ns in enumerate(work.ns)
    )
    return Estimate(round(int8), round(fp32), work.cause)


def table_cost(source: ir.Value, nodes: int) -> tuple[int, int] | None:
    """ns of a table of codes, and of the nodes that it stands for; None where the size of `source` is open."""
    elements = size(source)
    if elements is None:
        return None
    int8, fp32 = table.START + elements * table.LOOKUP, nodes * (table.START + elements * table.FUNCTION)
    return round(int8), round(fp32)


class _Work(NamedTuple):
    """The arithmetic alone: ns in INT8 and in FP32, and why INT8 is slow."""

    ns: table.Pair
    cause: str = ""


def _work(node: ir.Node, inputs: list[ir.Value], written: int) -> _Work | None:
    """None for what was not measured."""
    op_type = node.op_type
    if op_type == "Conv":
        return _convolution(node, written)
    if op_type in ("Gemm", "MatMul"):
        depth = list(inputs[0].shape or (None,))[-1]
        return _Work(_over(written * depth, table.MATRIX)) if isinstance(depth, int) else None
    if op_type in table.TAP:
        cause = "its INT8 kernel is scalar" if op_type == "AveragePool" else ""
        return _Work(_times(written * math.prod(static_ints(node, "kernel_shape", [])), table.TAP[op_type]), cause)
    if op_type == "GlobalAveragePool":
        return _Work(_times(size(inputs[0]) or 0, table.GLOBAL_POOL))
    if op_type == "Mul" and any(1 < (size(v) or 0) < written for v in inputs):
        return _Work(_times(written, table.BROADCAST))
    return _Work(_times(written, table.ELEMENT[op_type])) if op_type in table.ELEMENT else None


def _convolution(node: ir.Node, written: int) -> _Work | None:
    """Of two dimensions; others were not measured."""
    weight, shape = constant(node.inputs[1]), node.outputs[0].shape
    if weight is None or weight.ndim != 4 or shape is None or not isinstance(width := shape[-1], int):
        return None
    outputs, inputs, *window = weight.shape
    taps = math.prod(window)
    groups = static_int(node, "group", 1)
    cause = missed_condition(groups, inputs, outputs)
    rates: table.Pair
    if is_depthwise(groups, inputs, outputs):
        int8 = _between(table.DEPTHWISE_SLOW, taps) if cause else table.DEPTHWISE_FAST
        rates = int8, _between(table.DEPTHWISE_FLOAT, width)
    elif groups > 1:
        blocked = not inputs % 16
        fp32 = table.GROUPED_FLOAT_BLOCKED if blocked else _between(table.GROUPED_FLOAT, inputs)
        rates, cause = (_between(table.GROUPED, inputs), fp32), f"{inputs} channels a group"
    elif outputs < 16:
        rates = table.FEW_OUTPUTS
    elif inputs < 4:
        rates = table.FIRST
    else:
        int8, fp32 = table.DENSE_1X1 if taps == 1 else table.DENSE
        rates = table.NO_MULTIPLE_OF_4 if cause else int8, table.NO_MULTIPLE_OF_16 if inputs % 16 else fp32
    return _Work(_over(written * inputs * taps, rates), cause)


def _over(macs: int, rates: table.Pair) -> table.Pair:
    return macs / rates[0], macs / rates[1]


def _times(count: int, ns: table.Pair) -> table.Pair:
    return count * ns[0], count * ns[1]


def _between(curve: table.Curve, x: int) -> float:
    for (low, at_low), (high, at_high) in pairwise(curve):
        if x <= high:
            return at_low + (at_high - at_low) * (max(x, low) - low) / (high - low)
    return curve[-1][1]
