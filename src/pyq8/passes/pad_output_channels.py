"""A Conv whose output channels are no multiple of 4 gets channels of zeros, sliced off behind it.

    y = W x + b  =  ([W; 0] x + [b; 0])[:C]

Without it the convolution misses ONNX Runtime's fast kernel (a detector's heads: 546 or 126 channels).
Measured on SSD300: see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, replace_node, set_input, static_int
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each

MULTIPLE = 4
SMALLEST = 16


def run(model: ir.Model) -> PassResult:
    """Pad in place."""
    return for_each(model, "pad_output_channels", {"Conv"}, _pad)


def _pad(node: ir.Node) -> bool:
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
    wide = np.concatenate([weight, np.zeros((missing, *weight.shape[1:]), weight.dtype)])
    conv = ir.Node("", "Conv", [node.inputs[0]], list(node.attributes.values()), num_outputs=1, name=node.name)
    set_input(conv, 1, add_initializer(graph, f"{node.name}_padded_weight", wide))
    if bias is not None:
        padded = np.concatenate([bias, np.zeros(missing, bias.dtype)])
        set_input(conv, 2, add_initializer(graph, f"{node.name}_padded_bias", padded))
    full = conv.outputs[0]
    full.name, full.type = f"{output.name}_padded", output.type
    if output.shape is not None:
        full.shape = ir.Shape([output.shape[0], channels + missing, *list(output.shape)[2:]])
    ends = [add_initializer(graph, f"{node.name}_{k}", np.asarray([v], np.int64))
            for k, v in (("start", 0), ("end", channels), ("axis", 1))]  # fmt: skip
    replace_node(node, [conv, ir.node("Slice", [full, *ends], name=f"{node.name}_slice")])
    return True
