"""Shapes, as far as they can be known without running the model.

Behind a Loop (a detector's image resize) ONNX's inference knows nothing, and ONNX Runtime leaves convolutions of
unknown rank off its channels-last path. But a convolution's input and output have the rank of its weight.

Shapes that the file declares come last: they are wrong where somebody changed the batch size of an exported model.
"""

from __future__ import annotations

import onnx_ir as ir


def infer_shapes(model: ir.Model) -> None:
    """Fill in types and shapes in place, ranks at least around every convolution."""
    declared = {v: v.shape for node in model.graph for v in node.outputs if not v.is_graph_output()}
    for output in declared:
        output.shape = None
    _infer(model)
    for output, shape in declared.items():
        output.shape = _merge(output.shape, shape)
    changed = False
    for node in model.graph:
        weight = node.inputs[1] if node.op_type == "Conv" and node.domain == "" else None
        if weight is None or weight.shape is None or not isinstance(weight.shape[0], int):
            continue
        for value, channels in ((node.inputs[0], None), (node.outputs[0], weight.shape[0])):
            if value is not None and value.shape is None and not value.is_graph_input():
                value.shape = ir.Shape([None, channels, *[None] * (len(weight.shape) - 2)])
                value.type = value.type or ir.TensorType(weight.dtype or ir.DataType.FLOAT)
                changed = True
    if changed:
        _infer(model)


def _infer(model: ir.Model) -> None:
    from onnx_ir.passes import common

    common.ShapeInferencePass(strict_mode=False)(model)


def _merge(inferred: ir.Shape | None, declared: ir.Shape | None) -> ir.Shape | None:
    """What was inferred, and in its gaps what was declared."""
    if inferred is None or declared is None or len(inferred) != len(declared):
        return declared if inferred is None else inferred
    pairs = zip(inferred, declared, strict=True)
    return ir.Shape([d if isinstance(i, ir.SymbolicDim) and i.value is None else i for i, d in pairs])
