"""Keep FP32 what the plan leaves FP32.

Between a DequantizeLinear and a QuantizeLinear, ONNX Runtime puts its INT8 kernel in the place of every operator that
has one, and rounds the FP32 weights of Conv, ConvTranspose and Gemm itself, with one scale for the whole tensor. A Sum
of that one tensor stands in its way: it copies, and no optimization removes it or looks through it.

ONNX Runtime also carries both of them past FP32 nodes that only move values, to where they enclose the next one, and
ends the process (1.32) where the body of an If, Loop or Scan reads what it moved.

Source: onnxruntime weight_bias_quantization.cc, qdq_selector_action_transformer.cc, qdq_propagation.cc.
"""

from __future__ import annotations

from collections.abc import Collection

import onnx_ir as ir

from pyq8.graph_edit import only_reader, producer, set_input
from pyq8.ops import RULES, SameAs
from pyq8.rewrite.region.spec import DOMAIN
from pyq8.rewrite.tensors import Tensors, describe

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm"})
"""What ONNX Runtime quantizes although only the input and the output are quantized."""
ROUNDS = {"Resize", "Where"}
"""Has an INT8 kernel of other values, and no rule that would say so."""
READS = {**dict.fromkeys((*WEIGHTED, "Resize"), slice(0, 1)), "Where": slice(1, 3)}
"""Which inputs must be quantized for that; of all other operators, all."""
WRITES_FLOAT = frozenset({"MatMul"})
"""Of which ONNX Runtime has an INT8 kernel for a result that nothing quantizes."""
PASSED = frozenset({"MaxPool", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Flatten"})
"""What ONNX Runtime carries a DequantizeLinear forward past, and a QuantizeLinear back."""
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
        if _is_passed_into_a_body(node):
            _copy_before(node, 0, tensors)
            continue
        inputs = node.inputs[READS.get(node.op_type, slice(None))]
        fused = node.op_type in taken and inputs and all(map(_is_dequantized, inputs))
        if fused and (node.op_type in WRITES_FLOAT or _is_quantized(node)):
            _copy_before(node, list(node.inputs).index(inputs[0]), tensors)


def shield_regions(tensors: Tensors) -> None:
    """Put a Sum behind every float result of a region to which ONNX Runtime would carry a QuantizeLinear back.

    What it would make in between has no type, so that it could not load the model.
    """
    for node in list(tensors.graph):
        value = node.inputs[0] if node.op_type in PASSED and not node.domain else None
        made = value.producer() if value is not None else None
        if value is None or made is None or made.domain != DOMAIN or value.dtype != ir.DataType.FLOAT:
            continue
        if _is_quantized(node):
            _copy_before(node, 0, tensors)


def _copy_before(node: ir.Node, index: int, tensors: Tensors) -> None:
    source = node.inputs[index]
    assert source is not None
    copy = ir.node("Sum", [source], name=tensors.fresh_node(f"{node.name}_stays_float"))
    describe(copy.outputs[0], tensors.fresh(f"{node.name}_float_input"), ir.DataType.FLOAT, source)
    tensors.graph.insert_before(node, copy)
    set_input(node, index, copy.outputs[0])


def _is_dequantized(value: ir.Value | None) -> bool:
    """Whether a DequantizeLinear does, or what ONNX Runtime carries one past or removes, or a Pad, which it fuses."""
    while value is not None and (node := producer(value, *PASSED, *REMOVED, "Pad")) is not None:
        value = node.inputs[0]
    return producer(value, "DequantizeLinear") is not None


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
    """Whether a QuantizeLinear reads the output, or what is fused, removed or passed behind it."""
    behind = [node]
    while behind:
        last = behind.pop()
        moved = last.op_type in PASSED
        for reader in (use.node for use in last.outputs[0].uses()):
            if reader.op_type == "QuantizeLinear":
                return True
            if reader.domain or (moved and only_reader(last.outputs[0]) is None):
                continue
            if reader.op_type in (*PASSED, *REMOVED) or (reader.op_type in ("Relu", "Clip") and not moved):
                behind.append(reader)
    return False
