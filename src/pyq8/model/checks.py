"""What a model must be before pyq8 works on it: whole, FP32, convolutional. Every refusal names the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.errors import ModelError

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

QUANTIZED_OPS = frozenset(
    "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger "
    "MatMulInteger QGemm MatMulIntegerToFloat DynamicQuantizeMatMul QAttention".split()
)


_KINDS = {"map_type": "a map", "sequence_type": "a sequence", "optional_type": "optional"}


def check_whole(proto: onnx.ModelProto, path: Path) -> None:
    """Every value that is read is computed, once, and every node has the inputs its operator needs.

    Raises:
        ModelError: not so: the file is cut short, damaged or was put together wrongly.
    """
    import onnx

    versions = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in proto.opset_import}
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(f"{path}: no graph in it: not an ONNX file, or cut short; export or copy it again")
    if "" not in versions:
        raise ModelError(f"{path}: it declares no opset: cut short, or put together wrongly; export it again")
    for kind, values in (("input", proto.graph.input), ("output", proto.graph.output)):
        for value in values:
            found = value.type.WhichOneof("value")
            if found not in (None, "tensor_type") and (kind == "input" or _holds_map(value.type)):
                raise ModelError(
                    f"{path}: {kind} {value.name!r} is {_KINDS.get(found, 'no tensor')}; "
                    f"give a model whose {kind}s are tensors" + (" (without ZipMap)" if kind == "output" else "")
                )
    undefined = onnx.AttributeProto.UNDEFINED
    for graph, known in _scopes(proto.graph, frozenset()):
        for sparse in graph.sparse_initializer:
            raise ModelError(f"{path}: weight {sparse.values.name!r} is stored sparsely; export it as a dense tensor")
        for node in graph.node:
            label = f"node {node.name!r} ({node.op_type})"
            for name in node.input:
                if name and name not in known:
                    raise ModelError(f"{path}: {label} reads {name!r}, which nothing computes; export it again")
            if any(a.type == undefined for a in node.attribute):
                raise ModelError(f"{path}: {label} has an attribute without a type; export it again")
            if _lacks_input(node, versions):
                raise ModelError(f"{path}: {label} lacks an input; export it again")
        computed = [name for node in graph.node for name in node.output if name]
        if len(set(computed)) < len(computed):
            twice = next(name for name in computed if computed.count(name) > 1)
            raise ModelError(f"{path}: {twice!r} is computed twice; export it again")
        for value in graph.output:
            if value.name not in known:
                raise ModelError(f"{path}: nothing computes its output {value.name!r}; export it again")


def check_float(model: ir.Model, path: Path) -> None:
    """No quantized operator.

    Raises:
        ModelError: there is one.
    """
    inner = (node for function in model.functions.values() for node in function.all_nodes())
    for node in (*model.graph.all_nodes(), *inner):
        if node.op_type in QUANTIZED_OPS:
            raise ModelError(f"{path}: already quantized (node {node.name!r} is {node.op_type}); give the FP32 model")


def check_convolutions(model: ir.Model, path: Path) -> None:
    """There are some, and their weights are float32.

    Raises:
        ModelError: there is none, or one of another type.
    """
    import onnx_ir as ir

    nodes = [n for n in model.graph.all_nodes() if n.op_type in ("Conv", "ConvTranspose") and n.domain == ""]
    for node in model.graph.all_nodes():
        blocked = node.domain == "com.microsoft.nchwc" or node.op_type == "NhwcFusedConv"
        fused = node.op_type == "FusedConv" and not nodes  # beside others it is split again
        if not (blocked or fused):
            continue
        raise ModelError(
            f"{path}: onnxruntime optimized it (node {node.name!r} is {node.domain}.{node.op_type}); "
            "give the original model, or one saved at ORT_ENABLE_BASIC"
        )
    if not nodes:
        raise ModelError(f"{path}: no Conv in it; pyq8 quantizes convolutional networks")
    for node in nodes:
        dtype = node.inputs[1].dtype if node.inputs[1] is not None else None
        if dtype is not None and dtype != ir.DataType.FLOAT:
            raise ModelError(
                f"{path}: node {node.name!r} has {dtype.name} weights; export the model in FP32 "
                "(in PyTorch: model.float() before the export)"
            )


def check_tensor(tensor: ir.TensorProtocol, path: Path) -> None:
    """Its values are there, as many as its shape says.

    Raises:
        ModelError: they, or the file that holds them, are missing or cut short.
    """
    import onnx_ir as ir

    if (
        isinstance(tensor, ir.ExternalTensor)
        and Path(tensor.path).stat().st_size < (tensor.offset or 0) + tensor.nbytes
    ):
        raise ModelError(f"{path}: its weights file {Path(tensor.path).name} is cut short; copy it again")
    try:
        tensor.numpy()
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: weight {tensor.name!r} cannot be read ({reason}); copy it again") from None


def locate(tensor: ir.ExternalTensor, path: Path) -> ir.ExternalTensor:
    """The same tensor with the absolute path of its file, which lies in the model's folder or below.

    Links are followed: download caches keep the files elsewhere, under other names.

    Raises:
        ModelError: there is no such file, or it is looked for outside that folder.
    """
    import onnx_ir as ir

    location = Path(os.path.normpath(tensor.location))
    if location.is_absolute() or location.parts[:1] == ("..",):
        raise ModelError(f"{path}: its weights are in {location}, outside its folder; export it again into one folder")
    file = path.parent / location
    if not file.is_file():
        raise ModelError(f"{path}: its weights are in {location}, which is not beside it; copy both")
    return ir.ExternalTensor(
        file.resolve(),
        tensor.offset,
        tensor.length,
        tensor.dtype,
        shape=tensor.shape,
        name=tensor.name,
        doc_string=tensor.doc_string,
    )


def _scopes(graph: onnx.GraphProto, outer: frozenset[str]) -> Iterator[tuple[onnx.GraphProto, frozenset[str]]]:
    """A graph and those inside it, each with the names that its nodes may read."""
    known = outer.union(
        (v.name for v in graph.input),
        (t.name for t in graph.initializer),
        (name for node in graph.node for name in node.output),
    )
    yield graph, known
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _scopes(inner, known)


def _holds_map(kind: onnx.TypeProto) -> bool:
    found = kind.WhichOneof("value")
    if found in ("sequence_type", "optional_type"):
        return _holds_map(getattr(kind, found).elem_type)
    return bool(found == "map_type")


def _lacks_input(node: onnx.NodeProto, versions: dict[str, int]) -> bool:
    import onnx

    domain = "" if node.domain == "ai.onnx" else node.domain
    try:
        schema = onnx.defs.get_schema(node.op_type, versions[domain], domain)
    except (KeyError, onnx.defs.SchemaError):  # an operator that only the runtime knows
        return False
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    required = zip(node.input, schema.inputs, strict=False)
    return len(node.input) < schema.min_input or any(not name and p.option == single for name, p in required)
