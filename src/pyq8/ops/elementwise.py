"""Add, Mul, Concat and the activations that have an INT8 kernel."""

from __future__ import annotations

from pyq8.ops.rule import NO_KERNEL, Fixed, OpRule, rule

MS = "com.microsoft"

rule(OpRule("Add", (MS, "QLinearAdd"), inputs=(0, 1)))
rule(OpRule("Mul", (MS, "QLinearMul"), inputs=(0, 1)))
rule(OpRule("Concat", (MS, "QLinearConcat"), inputs=None))
rule(OpRule("LeakyRelu", (MS, "QLinearLeakyRelu"), absorbs=False))
rule(OpRule("Sigmoid", (MS, "QLinearSigmoid"), output=Fixed(0.0, 1.0), absorbs=False))
rule(OpRule("Softmax", (MS, "QLinearSoftmax"), output=Fixed(0.0, 1.0), absorbs=False))

for _name in ("HardSwish", "HardSigmoid", "Sub", "Div", "Pow", "Exp", "Elu", "PRelu", "Tanh", "Gelu"):
    NO_KERNEL[_name] = f"ONNX Runtime has no INT8 {_name}"
