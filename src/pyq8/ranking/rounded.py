"""The FP32 model with some of its values rounded as INT8 rounds them: what one cause of error does alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from pyq8 import affine
from pyq8.fresh_names import owners, rename_new
from pyq8.graph_edit import add_initializer, constant, set_input
from pyq8.ops import find_rule
from pyq8.types import Array, Plan, QParams

if TYPE_CHECKING:
    import onnx_ir as ir


def rounded_weight(name: str, array: Array, plan: Plan) -> Array:
    """What the integers of a constant stand for, float32, its shape."""
    qparams = plan.qparams[name]
    codes = plan.codes.get(name)
    return affine.dequantize(affine.quantize(array, qparams) if codes is None else codes, qparams)


def round_weights(model: ir.Model, plan: Plan, nodes: Collection[str]) -> ir.Model:
    """A copy in which the constants of the named nodes are rounded, and their biases corrected as planned."""
    model = model.clone()
    for node in [n for n in model.graph if n.name in nodes]:
        for index, value in enumerate(node.inputs):
            array = constant(value)
            name = (value.name or "") if value is not None else ""
            if array is not None and name in plan.qparams:
                set_input(node, index, _new(model, f"{name}_rounded", rounded_weight(name, array, plan)))
        rule, shift = find_rule(node), plan.bias_shift.get(node.name or "")
        if shift is not None and rule is not None and rule.bias is not None:
            bias = constant(node.inputs[rule.bias]) if rule.bias < len(node.inputs) else None
            total = shift if bias is None else (bias + shift.reshape(bias.shape)).astype(np.float32)
            set_input(node, rule.bias, _new(model, f"{node.name}_corrected", total))
    return model


def round_tensors(model: ir.Model, plan: Plan, names: Collection[str]) -> ir.Model:
    """A copy in which the named tensors, inputs or computed, go through QuantizeLinear and DequantizeLinear."""
    model = model.clone()
    graph = model.graph
    values = [v for values in (graph.inputs, *(n.outputs for n in graph)) for v in values if v.name in names]
    before = owners(graph)
    for value in values:
        _round(model, value, plan.qparams[value.name or ""])
    rename_new(graph, before)
    return model


def _round(model: ir.Model, value: ir.Value, qparams: QParams) -> None:
    import onnx_ir as ir

    graph, name = model.graph, value.name or ""
    scale = _new(model, f"{name}_scale", qparams.scale)
    zero_point = _new(model, f"{name}_zero_point", qparams.zero_point.astype(qparams.qtype.dtype))
    uses, is_output, producer = list(value.uses()), value.is_graph_output(), value.producer()
    quantize = ir.node("QuantizeLinear", [value, scale, zero_point], name=f"{name}_rounding")
    dequantize = ir.node("DequantizeLinear", [quantize.outputs[0], scale, zero_point], name=f"{name}_rounded")
    (result,) = dequantize.outputs
    result.type, result.shape = value.type, value.shape
    if producer is None:
        graph.insert_before(graph[0], [quantize, dequantize])
    else:
        graph.insert_after(producer, [quantize, dequantize])
    for use in uses:
        use.node.replace_input_with(use.idx, result)
    result.name = f"{name}_rounded"
    if is_output:
        graph.outputs[list(graph.outputs).index(value)] = result
        value.name, result.name = f"{name}_exact", name


def _new(model: ir.Model, name: str, array: Array) -> ir.Value:
    return add_initializer(model.graph, name, array)
