"""QOperator: the integer operator itself stands in the graph (QLinearConv, QGemm, QLinearAdd, ...)."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.ops import OpRule
from pyq8.rewrite.tensors import DTYPES, Tensors, describe


def emit(node: ir.Node, rule: OpRule, tensors: Tensors) -> None:
    """Replace one INT8 node by its integer operator."""
    graph, name = tensors.graph, node.name or ""
    triples: list[ir.Value | None] = []
    activations = rule.activations(node)
    for _, value in activations:
        qparams = tensors.qparams(value)
        assert qparams is not None
        label = value.name or name
        triples += [
            tensors.quantized(value),
            tensors.scale(label, qparams),
            tensors.zero_point(label, qparams),
        ]
    bias = None
    if rule.weight is not None:
        weight = node.inputs[rule.weight]
        x = tensors.qparams(activations[0][1])
        w = tensors.qparams(weight) if weight is not None else None
        assert weight is not None and x is not None and w is not None
        label = weight.name or name
        triples += [tensors.quantized(weight), tensors.scale(label, w), tensors.zero_point(label, w)]
        found = tensors.bias(node, rule.bias, x, w) if rule.bias is not None else None
        bias = found[0] if found is not None else None
    output = node.outputs[0]
    y = tensors.qparams(output)
    label = output.name or name
    result: list[ir.Value | None] = []
    if y is not None:
        result = [tensors.scale(label, y), tensors.zero_point(label, y)]
    inputs = {
        "Concat": result + triples,
        "Conv": triples + result + ([bias] if bias is not None else []),
        "Gemm": triples + ([bias] if bias is not None or result else []) + result,
    }.get(node.op_type, triples + result)
    domain, op_type = rule.kernel
    attributes = list(node.attributes.values())
    if op_type == "QLinearSoftmax":
        attributes.append(ir.AttrInt64("opset", graph.opset_imports.get("", 13)))
    integer = ir.Node(domain, op_type, inputs, attributes, num_outputs=1, name=node.name)
    graph.insert_before(node, integer)
    (q,) = integer.outputs
    if y is None:
        describe(q, tensors.fresh(f"{name}_output"), ir.DataType.FLOAT, output)
        output.replace_all_uses_with(q, replace_graph_outputs=True)
        output.name, q.name = None, output.name
    else:
        describe(q, tensors.fresh(f"{label}_quantized"), DTYPES[y.qtype.dtype], output)
        tensors.produced(output, q, integer)
