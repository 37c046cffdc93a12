"""A Conv whose output channels are no multiple of 4 gets channels of zeros, sliced off behind it.

    y = W x + b  =  ([W; 0] x + [b; 0])[:C]

Without it the convolution misses ONNX Runtime's fast kernel (a detector's heads: 546 or 126 channels).
Measured on SSD300: see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, replace_node, set_input, static_int
from pyq8.passes.entry import MULTIPLE, SMALLEST
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array


def run(model: ir.Model) -> PassResult:
    """Pad in place."""
    padded: dict[ir.Value, ir.Value] = {}  # what several nodes read stays one constant
    return for_each(model, "pad_output_channels", {"Conv"}, lambda node: _pad(node, padded))


def _pad(node: ir.Node, padded: dict[ir.Value, ir.Value]) -> bool:
    weight = constant(node.inputs[1])
    if weight is None or static_int(node, "group", 1) != 1:
        return False
    channels, inputs = weight.shape[:2]
    missing = -channels % MULTIPLE
    if not missing:
        return False
    if channels < SMALLEST:
        raise Refuse(f"{channels} channels are fewer than {SMALLEST}: padding would cost more than it brings")
    if inputs % MULTIPLE:
        raise Refuse(f"{inputs} input channels are no multiple of {MULTIPLE}, so it misses the fast kernel anyway")
    graph, output = node.graph, node.outputs[0]
    assert graph is not None
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if len(node.inputs) > 2 and node.inputs[2] is not None and bias is None:
        raise Refuse("its bias is not a constant")

    def widen(index: int, array: Array, label: str) -> ir.Value:
        value = node.inputs[index]
        assert value is not None
        if value not in padded:
            wide = np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])
            padded[value] = add_initializer(graph, f"{node.name}_padded_{label}", wide)
        return padded[value]

    conv = ir.Node("", "Conv", [node.inputs[0]], list(node.attributes.values()), num_outputs=1, name=node.name)
    set_input(conv, 1, widen(1, weight, "weight"))
    if bias is not None:
        set_input(conv, 2, widen(2, bias, "bias"))
    full = conv.outputs[0]
    full.name, full.type = f"{output.name}_padded", output.type
    if output.shape is not None:
        full.shape = ir.Shape([output.shape[0], channels + missing, *list(output.shape)[2:]])
    ends = [add_initializer(graph, f"{node.name}_{k}", np.asarray([v], np.int64))
            for k, v in (("start", 0), ("end", channels), ("axis", 1))]  # fmt: skip
    replace_node(node, [conv, ir.node("Slice", [full, *ends], name=f"{node.name}_slice")])
    return True
