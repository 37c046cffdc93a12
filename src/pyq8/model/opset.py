"""Raise the opset of a model, with ONNX's own converter and what it leaves undone.

The converter takes a serialized model, which ends at 2 GiB, so weights wait outside while it works. It forgets the
names of nodes it replaces, and gives Resize the coordinates of opset 11: before, they were asymmetric.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.errors import ModelError

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

MIN_OPSET = 13
"""The first opset whose QuantizeLinear knows an axis."""

SMALL = 1024
"""Bytes up to which a constant stays in the model while it is converted: shapes, axes, scales."""


def default_opset(proto: onnx.ModelProto) -> int:
    """The version of ONNX's own operators that the model declares."""
    return next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 1)


def has_other_opsets(proto: onnx.ModelProto) -> bool:
    """Whether a local function is written in another version of ONNX's own operators than the model."""
    versions = [o.version for f in proto.functions for o in f.opset_import if o.domain in ("", "ai.onnx")]
    return any(version != default_opset(proto) for version in versions)


def raise_opset(proto: onnx.ModelProto, path: Path) -> ir.Model:
    """The same model at opset 13, or its own where that is higher, its local functions inlined.

    Args:
        proto: of a lower opset, or with functions of another one; its large initializers are taken out of it.
        path: for messages.

    Raises:
        ModelError: an operator has no equal at that opset.
    """
    import onnx_ir as ir
    from onnx import inliner, shape_inference, version_converter

    found = default_opset(proto)
    weights = _take_weights(proto)
    names = {output: node.name for node in proto.graph.node for output in node.output if output}
    try:
        if proto.functions:
            proto = shape_inference.infer_shapes(proto)  # without types the converter gives up
            proto = inliner.inline_local_functions(proto, convert_version=True)
        converted = version_converter.convert_version(proto, MIN_OPSET) if found < MIN_OPSET else proto
    except Exception as error:  # the C++ converter's assertions share no base but this
        reason = re.sub(r"^.*? failed: ", "", " ".join(str(error).split()))
        raise _refusal(path, found, reason) from None
    kept = {node.name for node in converted.graph.node}
    for node in converted.graph.node:
        node.name = node.name or next((names[o] for o in node.output if names.get(o, "") not in kept), "")
    model = ir.from_proto(converted)
    model.ir_version = max(model.ir_version or 0, 7)
    inputs = {value.name: value for value in model.graph.inputs}
    for tensor in weights:
        value = inputs[tensor.name]
        value.const_value = ir.serde.deserialize_tensor(tensor)
        model.graph.register_initializer(value)
    for node in model.graph.all_nodes():
        if node.op_type == "Hardmax":
            raise _refusal(path, found, f"node {node.name!r} is a Hardmax, which changed its meaning")
        if node.op_type == "Resize" and found < 11:
            _keep_coordinates(node, path, found)
    return model


def _take_weights(proto: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Move large initializers out of the graph; they become its inputs, where they are not yet."""
    import onnx

    large = [t for t in proto.graph.initializer if t.external_data or t.ByteSize() > SMALL]
    small = [t for t in proto.graph.initializer if not t.external_data and t.ByteSize() <= SMALL]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(small)
    declared = {value.name for value in proto.graph.input}
    for tensor in large:
        if tensor.name not in declared:
            value = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            proto.graph.input.append(value)
    return large


def _keep_coordinates(node: ir.Node, path: Path, found: int) -> None:
    """Say in a Resize what opset 10 took for granted: x_source = x / scale, rounded away from the other size."""
    import onnx_ir as ir

    node.attributes["coordinate_transformation_mode"] = ir.AttrString("coordinate_transformation_mode", "asymmetric")
    if node.attributes.get_string("mode", "nearest") != "nearest":
        return
    scales = ir.convenience.get_const_tensor(node.inputs[2]) if node.inputs[2] is not None else None
    shrinks = scales is not None and (scales.numpy() < 1).any()
    if scales is not None and shrinks and (scales.numpy() > 1).any():
        raise _refusal(path, found, f"node {node.name!r} enlarges one axis and shrinks another")
    node.attributes["nearest_mode"] = ir.AttrString("nearest_mode", "ceil" if shrinks else "floor")


def _refusal(path: Path, found: int, reason: str) -> ModelError:
    if found >= MIN_OPSET:
        return ModelError(
            f"{path}: its functions cannot be brought to its opset {found} ({reason}); export it again with one opset"
        )
    return ModelError(
        f"{path}: opset {found} could not be raised to {MIN_OPSET} ({reason}); "
        f"export it again with opset {MIN_OPSET} or newer"
    )
