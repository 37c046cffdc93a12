"""Read, check and write ONNX files."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.errors import ModelError, OutputError, Pyq8Error, UsageError
from pyq8.model.arrays import own_tensors
from pyq8.model.batch_axis import mark_whole
from pyq8.model.checks import check_convolutions, check_float, check_tensor, check_whole, locate
from pyq8.model.fallback import check_kernels
from pyq8.model.opset import MIN_OPSET, default_opset, has_other_opsets, raise_opset

if TYPE_CHECKING:
    import onnx
    import onnx_ir as ir

LARGE = 3 << 29
"""Bytes of weights from which a model is written with external data (protobuf ends at 2 GiB)."""

MIN_IR_VERSION = 4
"""The first whose initializers need not be inputs too."""


def load(path: str | Path, *, quantized: bool = False) -> ir.Model:
    """Read an FP32 ONNX CNN and bring it to the form the stages expect.

    Opset raised to 13 where it is lower, functions inlined, constants as initializers, initializers no
    longer inputs, nodes in the order of their data, every node and value named, once. Names, metadata,
    inputs and outputs are kept.

    Args:
        path: of the file; weights may be in other files beside it.
        quantized: take a quantized model too, as it is: to look at it or to compare it.

    Raises:
        ModelError: the file is missing, broken, already quantized, not FP32, or has no convolution; or it needs
            pyq8's kernels, which are missing.
        UsageError: no path, perhaps a model in memory.
    """
    if not isinstance(path, str | Path):
        raise UsageError(f"{type(path).__name__} is no path; save the model to a file and give its path")
    path = Path(path)
    proto = _read(path)
    try:
        check_whole(proto, path)
        return _build(proto, path, quantized)
    except (Pyq8Error, MemoryError):
        raise
    except Exception as error:  # onnx and onnx_ir tell a broken graph by many types
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path}: not a valid ONNX model ({reason}); export it again") from error


def save(model: ir.Model, path: str | Path) -> None:
    """Write beside, then rename: the file is whole or not there. Over 1.5 GiB, weights go to `PATH.data`.

    Raises:
        OutputError: the folder is missing, or the disk is full.
    """
    import onnx_ir as ir

    path = Path(path)
    large = weight_bytes(model) >= LARGE
    data = f"{path.name}.data"
    try:
        if path.is_dir():
            raise OutputError(f"{path}: a folder; give the path of a file to write")
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pyq8-") as folder:
            file = Path(folder) / path.name
            if large:
                ir.save(model, file, format="protobuf", external_data=data)
                (Path(folder) / data).replace(path.parent / data)
            else:
                # Weights still in another file come along: the new file may lie in another folder.
                whole = ir.external_data.load_to_model(model.clone())
                ir.save(whole, file, format="protobuf")
            file.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}; nothing was kept") from None


def weight_bytes(model: ir.Model) -> int:
    """Bytes of all initializers, those of control-flow bodies too."""
    return sum(value.const_value.nbytes for value in _initializers(model) if value.const_value is not None)


def sha256(model: ir.Model) -> str:
    """A digest of the graph and its weights, 64 hex digits."""
    import onnx_ir as ir

    digest = hashlib.sha256()
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            digest.update(f"{value.name}:{value.const_value.dtype}:{value.const_value.shape}".encode())
            strings = isinstance(value.const_value, ir.StringTensor)
            digest.update(b"\0".join(value.const_value.numpy().ravel()) if strings else value.const_value.tobytes())
    for node in model.graph:
        digest.update(ir.to_proto(node).SerializeToString(deterministic=True))
    return digest.hexdigest()


def _read(path: Path) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types

    if not path.exists():
        raise ModelError(f"{path}: no such file; give the path of an ONNX model")
    if path.is_dir():
        raise ModelError(f"{path}: a folder; give the path of an ONNX model")
    try:
        # Without a format, onnx would guess one from the file's suffix.
        proto = onnx.load(path, format="protobuf", load_external_data=False)
    except (DecodeError, ValueError):
        raise ModelError(f"{path}: not an ONNX file, or cut short; export or copy it again") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    return proto


def _build(proto: onnx.ModelProto, path: Path, quantized: bool) -> ir.Model:
    """The model in memory, checked, and unless it may be quantized in the form the stages expect."""
    import onnx_ir as ir
    from onnx_ir.passes import common

    model = ir.from_proto(proto)
    own_tensors(model)
    if quantized:
        check_kernels(model, path)
    else:
        check_float(model, path)
        if default_opset(proto) < MIN_OPSET or has_other_opsets(proto):
            model = raise_opset(proto, path)
    ir.external_data.set_base_dir(model.graph, path.parent)
    if not quantized:
        if model.functions:
            common.InlinePass()(model)
        common.TopologicalSortPass()(model)
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        common.RemoveInitializersFromInputsPass()(model)
        common.NameFixPass(_Names())(model)
        _stop_dropout(model, path)
        model.ir_version = max(model.ir_version or 0, MIN_IR_VERSION)
        check_convolutions(model, path)
    mark_whole(model)
    for value in _initializers(model):
        if isinstance(value.const_value, ir.ExternalTensor):
            value.const_value = locate(value.const_value, path)
        if value.const_value is not None:
            check_tensor(value.const_value, path)
    return model


def _stop_dropout(model: ir.Model, path: Path) -> None:
    """Take every Dropout out of training mode: it then hands on what it reads, and its mask is all true."""
    from pyq8.graph_edit import constant

    stopped = []
    for node in model.graph.all_nodes():
        if node.op_type == "Dropout" and not node.domain and len(node.inputs) > 2:
            ratio, training = (constant(value) for value in node.inputs[1:3])
            if training is not None and training.all():
                node.replace_input_with(2, None)
                if ratio is None or ratio.any():
                    stopped.append(node.name)
    if stopped:
        warnings.warn(
            f"{path}: {len(stopped)} Dropout in training mode ({stopped[0]!r} first) are left out, as at inference; "
            "export the model after model.eval()",
            stacklevel=2,
        )


class _Names:
    """What nodes and values are called that have no name, or another's: Conv, Conv_1, Conv_2 ..."""

    def generate_node_name(self, node: ir.Node) -> str:
        return node.name or node.op_type

    def generate_value_name(self, value: ir.Value) -> str:
        return value.name or "value"


def _initializers(model: ir.Model) -> Iterator[ir.Value]:
    for graph in model.graphs():
        yield from graph.initializers.values()
