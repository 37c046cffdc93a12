"""Shapes, as far as they can be known without running the model.

Behind a Loop (a detector's image resize) ONNX's inference knows nothing, and ONNX Runtime leaves convolutions of
unknown rank off its channels-last path. But a convolution's input and output have the rank of its weight.
"""

from __future__ import annotations

import onnx_ir as ir


def infer_shapes(model: ir.Model) -> None:
    """Fill in types and shapes in place, ranks at least around every convolution."""
    from onnx_ir.passes import common

    infer = common.ShapeInferencePass(strict_mode=False)
    infer(model)
    changed = False
    for node in model.graph:
        weight = node.inputs[1] if node.op_type == "Conv" and len(node.inputs) > 1 else None
        if weight is None or weight.shape is None or not isinstance(weight.shape[0], int):
            continue
        for value, channels in ((node.inputs[0], None), (node.outputs[0], weight.shape[0])):
            if value is not None and value.shape is None and not value.is_graph_input():
                value.shape = ir.Shape([None, channels, *[None] * (len(weight.shape) - 2)])
                value.type = value.type or ir.TensorType(ir.DataType.FLOAT)
                changed = True
    if changed:
        infer(model)
