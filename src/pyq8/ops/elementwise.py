"""Add, Mul, Concat and the activations that have an INT8 kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyq8.ops.rule import NO_KERNEL, Fixed, OpRule, rule

if TYPE_CHECKING:
    import onnx_ir as ir

MS = "com.microsoft"


def _constants(node: ir.Node) -> str | None:
    for value in node.inputs:
        if value is not None and value.is_initializer() and value.const_value is not None:
            if value.const_value.size == 0:
                return "one of its inputs is empty"
            if not np.isfinite(value.const_value.numpy()).all():
                return "its constant holds NaN or infinity"
    return None


rule(OpRule("Add", (MS, "QLinearAdd"), inputs=(0, 1), check=_constants))
rule(OpRule("Mul", (MS, "QLinearMul"), inputs=(0, 1), check=_constants))
rule(OpRule("Concat", (MS, "QLinearConcat"), inputs=None, check=_constants))
rule(OpRule("LeakyRelu", (MS, "QLinearLeakyRelu"), absorbs=False))
rule(OpRule("Sigmoid", (MS, "QLinearSigmoid"), output=Fixed(0.0, 1.0), absorbs=False))
rule(OpRule("Softmax", (MS, "QLinearSoftmax"), output=Fixed(0.0, 1.0), absorbs=False))

for _name in ("HardSwish", "HardSigmoid", "Sub", "Div", "Pow", "Exp", "Elu", "PRelu", "Tanh", "Gelu"):
    NO_KERNEL[_name] = f"ONNX Runtime has no INT8 {_name}"
