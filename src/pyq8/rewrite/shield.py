"""Keep FP32 what the plan leaves FP32.

Between a DequantizeLinear and a QuantizeLinear, ONNX Runtime puts its INT8 kernel in the place of every operator that
has one, and rounds the FP32 weights of Conv, ConvTranspose and Gemm itself, with one scale for the whole tensor. A Sum
of that one tensor stands in its way: it copies, and no optimization removes it or looks through it.

It also moves a DequantizeLinear behind what only moves values, and ends the process (1.32) where the body of an If,
Loop or Scan reads the result: the same Sum stands in its way.

Source: onnxruntime weight_bias_quantization.cc, qdq_selector_action_transformer.cc, qdq_propagation.cc.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from pyq8.graph_edit import set_input
from pyq8.ops import RULES, SameAs
from pyq8.rewrite.tensors import Tensors, describe

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm"})
"""What ONNX Runtime quantizes although only the input and the output are quantized."""
ROUNDS = {"Resize", "Where"}
"""Has an INT8 kernel of other values, and no rule that would say so."""
PASSED = ("MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Flatten")
"""What a DequantizeLinear is moved behind."""
REMOVED = ("Identity", "Expand", "Cast", "Dropout")
"""What may change nothing, and is gone by then."""


def shield(tensors: Tensors, int8: Collection[str]) -> None:
    """Put a Sum before every FP32 node that ONNX Runtime would quantize.

    Args:
        tensors: of the rewritten graph.
        int8: names of the nodes that are meant to be quantized.
    """
    computing = {name for name in RULES if not isinstance(RULES.get(name).output, SameAs)}
    taken = computing | WEIGHTED | ROUNDS
    for node in list(tensors.graph):
        if node.name in int8 or node.domain or node.op_type not in {*taken, *PASSED}:
            continue
        inputs = node.inputs[:1] if node.op_type in WEIGHTED | {"Resize"} else node.inputs
        source = node.inputs[0]
        fused = (
            node.op_type in taken and all(_is_made_by(v, "DequantizeLinear") for v in inputs) and _is_quantized(node)
        )
        if source is not None and (fused or _is_passed_into_a_body(node)):
            copy = ir.node("Sum", [source], name=tensors.fresh_node(f"{node.name}_stays_float"))
            describe(copy.outputs[0], tensors.fresh(f"{node.name}_float_input"), ir.DataType.FLOAT, source)
            tensors.graph.insert_before(node, copy)
            set_input(node, 0, copy.outputs[0])


def _is_made_by(value: ir.Value | None, op_type: str) -> bool:
    producer = value.producer() if value is not None else None
    return producer is not None and producer.op_type == op_type


def _is_passed_into_a_body(node: ir.Node) -> bool:
    """Whether the body of an If, Loop or Scan reads what a node only moves, and integers are behind that."""
    if node.op_type not in PASSED or not _reaches_a_body(node):
        return False
    made: ir.Node | None = node
    while made is not None and made.op_type in PASSED:
        made = made.inputs[0].producer() if made.inputs[0] is not None else None
    return made is not None and made.op_type == "DequantizeLinear"


def _reaches_a_body(node: ir.Node) -> bool:
    pending = [node]
    while pending:
        readers = [use.node for use in pending.pop().outputs[0].uses()]
        if any(reader.graph is not node.graph for reader in readers):
            return True
        pending += [reader for reader in readers if reader.op_type in REMOVED and not reader.domain]
    return False


def _is_quantized(node: ir.Node) -> bool:
    """Whether a QuantizeLinear reads the output, behind Relu and Clip too."""
    pending = [node]
    while pending:
        readers = [use.node for use in pending.pop().outputs[0].uses()]
        if any(r.op_type == "QuantizeLinear" for r in readers):
            return True
        pending += [r for r in readers if r.op_type in ("Relu", "Clip")]
    return False
