"""QDQ: the float operator stands between DequantizeLinear and QuantizeLinear, and the runtime fuses the three."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import set_input
from pyq8.ops import OpRule
from pyq8.rewrite.tensors import Tensors
from pyq8.types import QParams


def emit(node: ir.Node, rule: OpRule, tensors: Tensors) -> None:
    """Quantize the inputs, weight, bias and output of one INT8 node, in place."""
    graph, name = tensors.graph, node.name or ""

    def dequantize(index: int, q: ir.Value, label: str, qparams: QParams | None) -> None:
        assert qparams is not None
        dq = tensors.add_dq(q, label, qparams, tensors.fresh(f"{name}_input{index}_dequantized"))
        dq.name = tensors.fresh_node(f"{name}_input{index}_DequantizeLinear")
        graph.insert_before(node, dq)
        set_input(node, index, dq.outputs[0])

    activations = rule.activations(node)
    for index, value in activations:
        dequantize(index, tensors.quantized(value), value.name or "", tensors.qparams(value))
    if rule.weight is not None:
        weight = node.inputs[rule.weight]
        x = tensors.qparams(activations[0][1])
        w = tensors.qparams(weight) if weight is not None else None
        assert weight is not None and x is not None and w is not None
        bias = tensors.bias(node, rule.bias, x, w) if rule.bias is not None else None
        dequantize(rule.weight, tensors.quantized(weight), weight.name or "", w)
        if bias is not None and rule.bias is not None:
            dequantize(rule.bias, bias[0], f"{name}_bias", bias[1])
    output = node.outputs[0]
    if tensors.qparams(output) is None:
        return
    q = tensors.add_q(output)
    producer = q.producer()
    assert producer is not None
    tensors.produced(output, q, producer)
    output.name = output.name or tensors.fresh(f"{name}_float")
