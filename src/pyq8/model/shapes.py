"""Shapes, as far as they can be known without running the model.

Behind a Loop (a detector's image resize) ONNX's inference knows nothing, and ONNX Runtime leaves convolutions of
unknown rank off its channels-last path. But a convolution's input and output have the rank of its weight.

Shapes that the file declares come last: they are wrong where somebody changed the batch size of an exported model.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

import onnx_ir as ir

if TYPE_CHECKING:
    import onnx

SMALL = 1024
"""Bytes up to which inference sees a constant: shapes, axes, sizes."""


def infer_shapes(model: ir.Model) -> None:
    """Fill in types and shapes in place, ranks at least around every convolution."""
    declared = {v: v.shape for node in model.graph for v in node.outputs if not v.is_graph_output()}
    named = {d.value for v in model.graph.inputs for d in v.shape or () if isinstance(d, ir.SymbolicDim)}
    for output in declared:
        output.shape = None
    _infer(model)
    for output, shape in declared.items():
        output.shape = _merge(output.shape, shape, named)
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
    """ONNX's inference; what a graph declares of its inputs and outputs stays. Nothing where it fails.

    Not `onnx_ir`'s pass around it, which takes a sequence of tensors for a tensor.
    """
    import onnx

    try:
        proto = onnx.shape_inference.infer_shapes(_without_weights(model), strict_mode=False, data_prop=True)
    except Exception:  # InferenceError shares no base but this with what serializing raises
        return
    for graph, inferred in zip(model.graphs(), ir.from_proto(proto).graphs(), strict=True):
        found = {value.name: value for node in inferred for value in node.outputs}
        for value in (v for node in graph for v in node.outputs if v.name in found):
            other = found[value.name]
            value.type = other.type or value.type
            if value.shape is None or not value.is_graph_output():
                value.shape = value.shape if other.shape is None else other.shape


def _without_weights(model: ir.Model) -> onnx.ModelProto:
    """Large initializers turned into inputs: a serialized model ends at 2 GiB."""
    copy = model.clone()
    for value in list(copy.graph.initializers.values()):
        if value.const_value is not None and value.const_value.nbytes > SMALL and not value.is_graph_output():
            del copy.graph.initializers[value.name or ""]
            value.const_value = None
            copy.graph.inputs.append(value)
    return ir.to_proto(copy)


def _merge(inferred: ir.Shape | None, declared: ir.Shape | None, named: Set[str | None]) -> ir.Shape | None:
    """What was inferred, and in its gaps what was declared; a name that no input has is a gap."""
    if inferred is None or declared is None or len(inferred) != len(declared):
        return declared if inferred is None else inferred
    pairs = zip(inferred, declared, strict=True)
    return ir.Shape([i if isinstance(i, int) or (i.value and i.value in named) else d for i, d in pairs])
