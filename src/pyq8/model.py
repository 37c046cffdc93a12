"""Read, check and write ONNX files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.errors import ModelError, OutputError

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

MIN_OPSET = 13
"""The first opset whose QuantizeLinear knows an axis."""

LARGE = 3 << 29
"""Bytes of weights from which a model is written with external data (protobuf ends at 2 GiB)."""

QUANTIZED_OPS = frozenset(
    "QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger "
    "MatMulInteger QGemm MatMulIntegerToFloat DynamicQuantizeMatMul QAttention".split()
)


def load(path: str | Path, *, quantized: bool = False) -> ir.Model:
    """Read an FP32 ONNX CNN and bring it to the form the stages expect.

    Opset raised to 13 where it is lower, functions inlined, constants as initializers, initializers no
    longer inputs, every node and value named, once. Names, metadata, inputs and outputs are kept.

    Args:
        path: of the file; weights may be in other files beside it.
        quantized: take a quantized model too, as it is: to look at it or to compare it.

    Raises:
        ModelError: the file is missing, broken, already quantized, not FP32, or has no convolution.
    """
    import onnx_ir as ir
    from onnx_ir.passes import common

    path = Path(path)
    proto = _read(path)
    if quantized:
        return ir.load(path) if _is_external(proto) else ir.from_proto(proto)
    _check_float(proto, path)
    if _default_opset(proto) < MIN_OPSET:
        model = ir.from_proto(_raise_opset(path))
    else:
        model = ir.load(path) if _is_external(proto) else ir.from_proto(proto)
    if model.functions:
        common.InlinePass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.RemoveInitializersFromInputsPass()(model)
    common.NameFixPass()(model)
    _check_weights(model, path)
    return model


def save(model: ir.Model, path: str | Path) -> None:
    """Write beside, then rename: the file is whole or not there. Over 2 GiB, weights go to `PATH.data`.

    Raises:
        OutputError: the folder is missing, or the disk is full.
    """
    import onnx_ir as ir

    path = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            file = Path(folder) / path.name
            large = weight_bytes(model) >= LARGE
            ir.save(model, file, external_data=f"{path.name}.data" if large else None)
            if large:
                os.replace(Path(folder) / f"{path.name}.data", path.parent / f"{path.name}.data")
            os.replace(file, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; nothing was kept") from None


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all initializers of the main graph."""
    return sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)


def sha256(model: ir.Model) -> str:
    """A digest of the graph and its weights, 64 hex digits."""
    import onnx_ir as ir

    digest = hashlib.sha256()
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            digest.update(f"{value.name}:{value.const_value.dtype}:{value.const_value.shape}".encode())
            digest.update(value.const_value.tobytes())
    for node in model.graph:
        digest.update(ir.to_proto(node).SerializeToString(deterministic=True))
    return digest.hexdigest()


def _read(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    if not path.exists():
        raise ModelError(f"{path}: no such file; give the path of an ONNX model")
    if path.is_dir():
        raise ModelError(f"{path}: a folder; give the path of an ONNX model")
    try:
        proto = onnx.load(path, load_external_data=False)
    except DecodeError:
        raise ModelError(f"{path}: not an ONNX file, or cut short; export or copy it again") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    if not proto.graph.node or not proto.graph.output:
        raise ModelError(f"{path}: no graph in it: not an ONNX file, or cut short; export or copy it again")
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location" and not (path.parent / entry.value).exists():
                raise ModelError(f"{path}: its weights are in {entry.value}, which is not beside it; copy both")
    return proto


def _check_float(proto: onnx.ModelProto, path: Path) -> None:
    for node in proto.graph.node:
        if node.op_type in QUANTIZED_OPS:
            raise ModelError(
                f"{path}: already quantized (node {node.name!r} is {node.op_type}); give the FP32 model"
            )


def _is_external(proto: onnx.ModelProto) -> bool:
    return any(tensor.external_data for tensor in proto.graph.initializer)


def _default_opset(proto: onnx.ModelProto) -> int:
    return next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), 1)


def _raise_opset(path: Path) -> onnx.ModelProto:
    import onnx
    from onnx import version_converter

    proto = onnx.load(path)
    found = _default_opset(proto)
    names = [node.name for node in proto.graph.node]
    try:
        # The converter wants each initializer to be declared before use, as older IR versions did.
        converted = version_converter.convert_version(proto, MIN_OPSET)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"{path}: opset {found} could not be raised to {MIN_OPSET} ({reason}); "
            f"export it again with opset {MIN_OPSET} or newer"
        ) from None
    if len(names) == len(converted.graph.node):
        for node, name in zip(converted.graph.node, names, strict=True):
            node.name = node.name or name
    converted.ir_version = max(converted.ir_version, 7)
    del converted.metadata_props[:]
    converted.metadata_props.extend(proto.metadata_props)
    return converted


def _check_weights(model: ir.Model, path: Path) -> None:
    import onnx_ir as ir

    convolutions = [n for n in model.graph.all_nodes() if n.op_type in ("Conv", "ConvTranspose")]
    if not convolutions:
        raise ModelError(f"{path}: no Conv in it; pyq8 quantizes convolutional networks")
    for node in convolutions:
        weight = node.inputs[1]
        tensor = weight.const_value if weight is not None else None
        if tensor is not None and tensor.dtype != ir.DataType.FLOAT:
            raise ModelError(
                f"{path}: node {node.name!r} has {tensor.dtype.name} weights; export the model in FP32 "
                "(in PyTorch: model.float() before the export)"
            )
        if tensor is not None:
            with contextlib.suppress(FileNotFoundError):
                tensor.numpy()
