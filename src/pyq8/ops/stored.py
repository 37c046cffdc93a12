"""DequantizeLinear of uint8 pixels: a tensor that needs no quantizing, because it is integers already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyq8.ops.rule import OpRule, Stored, rule
from pyq8.types import UINT8, QParams

if TYPE_CHECKING:
    import onnx_ir as ir


def stored_qparams(node: ir.Node) -> QParams:
    """The scale and zero point that a DequantizeLinear holds."""
    scale, zero_point = (v.const_value.numpy() for v in node.inputs[1:3] if v is not None and v.const_value is not None)
    return QParams(np.asarray(scale, np.float32), np.asarray(zero_point, np.int32), UINT8)


def _dequantize(node: ir.Node) -> str | None:
    constants = [v for v in node.inputs[1:] if v is not None and v.const_value is not None and v.is_initializer()]
    if len(constants) != 2 or any(v.const_value is None or v.const_value.size != 1 for v in constants):
        return "its scale or zero point is not one constant"
    source = node.inputs[0]
    if source is None or source.dtype is None or source.dtype.name != "UINT8":
        return "what it reads is not uint8"
    return None


rule(OpRule("DequantizeLinear", ("", "DequantizeLinear"), output=Stored(), inputs=(), absorbs=False, check=_dequantize))
