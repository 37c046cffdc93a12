"""What of a model saturates on CPUs without VNNI (`pyq8.saturation`), and the same model that does not.

ONNX Runtime sums products of uint8 and uint8 exactly everywhere. So the int8 weights with a pair that can saturate are
handed over as uint8, with 128 added to them and to their zero points. That is what its own option
session.x64quantprecision does, which turns more weights, fails where two nodes share one, and where inputs are int8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from pyq8 import cpu
from pyq8.graph_edit import add_initializer, set_input, static_int
from pyq8.saturation import adds_pairs, kernel_order, unsafe
from pyq8.types import Array

if TYPE_CHECKING:
    from collections.abc import Mapping

INTEGER: Mapping[str, tuple[tuple[int, int], ...]] = {
    "QLinearConv": ((3, 5),),
    "QLinearMatMul": ((3, 5),),
    "QGemm": ((3, 5),),
    "MatMulInteger": ((1, 3),),
    "MatMulIntegerToFloat": ((1, 5),),
    "DynamicQuantizeMatMul": ((1, 3),),
    "DynamicQuantizeLSTM": ((1, 9), (2, 11)),
    "QAttention": ((1, 7),),
}
"""Integer operators whose kernels add pairs -> where their weights are, and the zero points of these.

ConvInteger does not: its kernel was seen to be exact.
"""
FLOAT = ("Conv", "Gemm", "MatMul")
"""What ONNX Runtime makes integer operators of where it stands between DequantizeLinear and QuantizeLinear."""


@dataclass(frozen=True)
class Saturating:
    """A weight of which a pair can saturate.

    Args:
        holder: the node that reads it: the integer operator, or the DequantizeLinear in front of a float one.
        weight: which input of the holder.
        zero_point: likewise, its zero points.
        codes: the weight, int8.
    """

    holder: ir.Node
    weight: int
    zero_point: int
    codes: Array


def find_inexact(model: ir.Model) -> list[str]:
    """What to say of the figures of a model of which a sum can saturate on this CPU, in a line; nothing of another."""
    if cpu.has_vnni() or next(find_saturating(model), None) is None:
        return []
    return [
        "pairs of the model's int8 weights saturate on this CPU, which has no VNNI: judged by exact sums, as "
        "pyq8.session computes them; set session.x64quantprecision = 1 elsewhere, or quantize with --target avx2"
    ]


def find_saturating(model: ir.Model) -> Iterator[Saturating]:
    """The weights of a model, those of control-flow bodies too, that saturate on a CPU without VNNI."""
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        if node.op_type in INTEGER and _takes_uint8(node):
            found = [Saturating(node, w, z, c) for w, z in INTEGER[node.op_type] if (c := _codes(node, w)) is not None]
        elif node.op_type in FLOAT and node.domain == "" and len(node.inputs) > 1:
            holder, source = (_dequantizes(v) for v in (node.inputs[1], node.inputs[0]))
            if holder is None or source is None or not _is_uint8(source, 2):
                continue
            codes = _codes(holder, 0)
            found = [] if codes is None else [Saturating(holder, 0, 2, codes)]
        else:
            continue
        yield from (s for s in found if _constant_zero(s) and _saturates(node, s.codes))


def unsaturated(model: ir.Model) -> tuple[ir.Model, int] | None:
    """The same model with uint8 for the weights that saturate, and how many they are; None where there are none.

    Args:
        model: not changed.
    """
    if not any(True for _ in find_saturating(model)):
        return None
    model = model.clone()
    done: dict[ir.Value | None, ir.Value] = {}
    holders = set()
    for found in list(find_saturating(model)):
        if found.holder in holders and found.holder.op_type == "DequantizeLinear":
            continue
        holders.add(found.holder)
        value, zero = found.holder.inputs[found.weight], _input(found.holder, found.zero_point)
        if value not in done:
            assert value is not None
            done[value] = add_initializer(model.graph, f"{value.name}_uint8", _shifted(found.codes))
        old = _array(zero)
        if old is None:  # of DequantizeLinear it has the shape of the scales
            scale = _array(_input(found.holder, 1)) if found.holder.op_type == "DequantizeLinear" else None
            old = np.zeros(() if scale is None else scale.shape, np.int8)
        set_input(found.holder, found.weight, done[value])
        label = f"{done[value].name}_zero_point"
        set_input(found.holder, found.zero_point, add_initializer(model.graph, label, _shifted(old)))
    return model, len(done)


def cost(name: str, weights: int) -> str:
    """One line for the user: what it costs that a model saturates here, and what does not.

    Args:
        name: of the model.
        weights: how many of its weights run as uint8.
    """
    these = "1 of its int8 weights" if weights == 1 else f"{weights} of its int8 weights"
    return (
        f"{name}: {these} would saturate on this CPU, which has no VNNI, and run as uint8: exact, and slower; "
        "models of --target avx2 or --format pyq8 do not"
    )


def _shifted(codes: Array) -> Array:
    return (codes.astype(np.int16) + 128).astype(np.uint8)


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _array(value: ir.Value | None) -> Array | None:
    """Of an initializer, or of a Constant."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    node = value.producer()
    given = node.attributes.get("value") if node is not None and node.op_type == "Constant" else None
    return None if given is None else given.as_tensor().numpy()


def _codes(node: ir.Node, index: int) -> Array | None:
    """The constant int8 at an input, or what a QuantizeLinear makes of a constant there; None for anything else."""
    value = _input(node, index)
    if value is None or (value.const_value is not None and value.const_value.dtype != ir.DataType.INT8):
        return None
    array = _array(value)
    if array is not None:
        return array if array.dtype == np.int8 and array.ndim > 1 else None
    quantize = value.producer()
    if quantize is None or quantize.op_type != "QuantizeLinear":
        return None
    real, scale, zero = (_array(_input(quantize, i)) for i in range(3))
    if real is None or scale is None or zero is None or zero.dtype != np.int8 or static_int(quantize, "block_size", 0):
        return None
    axis = static_int(quantize, "axis", 1) % max(real.ndim, 1)
    if scale.size > 1:
        scale, zero = (a.reshape([-1 if i == axis else 1 for i in range(real.ndim)]) for a in (scale, zero))
    return np.asarray(np.clip(np.rint(real / scale) + zero.astype(np.float32), -128, 127), np.int8)


def _constant_zero(found: Saturating) -> bool:
    """Whether its zero points are constant; they may be left out."""
    zero = _input(found.holder, found.zero_point)
    return zero is None or _array(zero) is not None


def _dequantizes(value: ir.Value | None) -> ir.Node | None:
    node = value.producer() if value is not None else None
    if node is None or node.op_type != "DequantizeLinear" or static_int(node, "block_size", 0):
        return None
    return node


def _takes_uint8(node: ir.Node) -> bool:
    """Whether an integer operator's activations are: pairs of int8 and int8 do not saturate."""
    if node.op_type.startswith("Dynamic"):
        return True
    zero_point = {"MatMulInteger": 2, "MatMulIntegerToFloat": 4, "QAttention": 6}.get(node.op_type, 2)
    return _is_uint8(node, zero_point)


def _is_uint8(node: ir.Node, zero_point: int) -> bool:
    """Of its first input, by its zero point where there is one; what nobody knows counts as uint8."""
    zero = _input(node, zero_point)
    array = _array(zero)
    if array is not None:
        return array.dtype == np.uint8
    known = [v.dtype for v in (zero, _input(node, 0)) if v is not None and v.dtype is not None]
    return not known or known[0] == ir.DataType.UINT8


def _saturates(node: ir.Node, codes: Array) -> bool:
    if node.op_type.endswith("Conv"):
        if not adds_pairs(node.op_type, codes.shape, static_int(node, "group", 1)):
            return False
        return bool(unsafe(kernel_order(codes, 0)).any())
    if not static_int(node, "transB", 0):
        codes = np.swapaxes(codes, -1, -2)
    return bool(unsafe(codes.reshape(-1, codes.shape[-1])).any())
