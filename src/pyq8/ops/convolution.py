"""Conv, ConvTranspose, Gemm, MatMul: what multiplies by weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyq8.ops.rule import NO_KERNEL, OpRule, rule

if TYPE_CHECKING:
    import onnx_ir as ir

FINITE = "pyq8.finite"

NO_KERNEL["ConvTranspose"] = "ONNX Runtime has no INT8 ConvTranspose"


def _weight(node: ir.Node) -> str | None:
    weight = node.inputs[1]
    if weight is None or weight.const_value is None or not weight.is_initializer():
        return "its weight is not a constant"
    if weight.const_value.dtype.numpy() != np.float32:
        return f"its weight is {weight.const_value.dtype.name}, not FLOAT"
    if not _is_finite(weight.const_value):
        return "its weight holds NaN or infinity"
    return None


def _bias(node: ir.Node) -> str | None:
    if len(node.inputs) > 2 and (bias := node.inputs[2]) is not None:
        if bias.const_value is None or not bias.is_initializer():
            return "its bias is not a constant"
        if not _is_finite(bias.const_value):
            return "its bias holds NaN or infinity"
    return None


def _is_finite(tensor: ir.TensorProtocol) -> bool:
    """Remembered with the tensor: every placement asks again, and a tensor does not change."""
    if FINITE not in tensor.meta:
        tensor.meta[FINITE] = bool(np.isfinite(tensor.numpy()).all())
    return bool(tensor.meta[FINITE])


def _conv(node: ir.Node) -> str | None:
    return _weight(node) or _bias(node)


def _gemm(node: ir.Node) -> str | None:
    for name in ("alpha", "beta"):
        if (factor := node.attributes.get_float(name, 1.0)) != 1:
            return f"its {name} is {factor:g}, not 1"
    if node.attributes.get_int("transA", 0):
        return "its input is transposed"
    objection = _weight(node) or _bias(node)
    if objection is None and len(node.inputs) > 2 and (bias := node.inputs[2]) is not None:
        weight = node.inputs[1]
        assert weight is not None and weight.shape is not None and bias.const_value is not None
        columns = weight.shape[_gemm_axis(node)]
        if bias.const_value.size != columns or list(bias.const_value.shape)[-1:] not in ([], [columns]):
            return "its bias is not one value a column"
    return objection


def _gemm_axis(node: ir.Node) -> int:
    return 0 if node.attributes.get_int("transB", 0) else 1


def _matmul(node: ir.Node) -> str | None:
    objection = _weight(node)
    if objection:
        first = node.inputs[0]
        if first is not None and first.is_initializer():
            return "its constant stands on the left"
        return "both its inputs are activations" if "not a constant" in objection else objection
    weight = node.inputs[1]
    assert weight is not None and weight.const_value is not None
    return None if len(weight.const_value.shape) == 2 else "its weight is not a matrix"


def _last_axis(_: ir.Node) -> int:
    return 1


rule(OpRule("Conv", ("", "QLinearConv"), weight=1, bias=2, check=_conv))
rule(
    OpRule(
        "Gemm",
        ("com.microsoft", "QGemm"),
        weight=1,
        bias=2,
        weight_axis=_gemm_axis,
        float_output=True,
        check=_gemm,
    )
)
rule(OpRule("MatMul", ("", "QLinearMatMul"), weight=1, weight_axis=_last_axis, check=_matmul))
