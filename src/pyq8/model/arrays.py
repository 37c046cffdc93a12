"""Tensors that own their values: the message of a file, with all of its weights, can go."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

ARRAY_BYTES = 1024
"""From which a tensor becomes an array. Smaller ones stay messages, which are written as they came."""


def own_tensors(model: ir.Model) -> None:
    """Take every tensor out of the message that the model was made of.

    A tensor of onnx_ir that was read is a view of its message: one of them keeps the whole file in memory, and each
    look at its values copies them.
    """
    import onnx_ir as ir

    for graph in model.graphs():
        for value in graph.initializers.values():
            if value.const_value is not None:
                value.const_value = _owned(value.const_value)
    nodes = [*model.graph.all_nodes(), *(n for function in model.functions.values() for n in function.all_nodes())]
    for node in nodes:
        for name, attribute in node.attributes.items():
            if attribute.type == ir.AttributeType.TENSOR and not attribute.is_ref():
                tensor = _owned(attribute.as_tensor())
                node.attributes[name] = ir.Attr(name, attribute.type, tensor, doc_string=attribute.doc_string)


def _owned(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    import onnx
    import onnx_ir as ir

    if not isinstance(tensor, ir.serde.TensorProtoTensor):
        return tensor
    if tensor.nbytes < ARRAY_BYTES or not tensor.raw.HasField("raw_data"):
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor.raw)
        return ir.serde.TensorProtoTensor(copy)
    shape, text = ir.Shape(tensor.shape), tensor.doc_string or None
    props = dict(tensor.metadata_props)
    return ir.Tensor(tensor.numpy(), tensor.dtype, shape=shape, name=tensor.name, doc_string=text, metadata_props=props)
