"""Operators that move values without changing them: they work on the uint8 tensor as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyq8.ops.rule import OpRule, SameAs, rule

if TYPE_CHECKING:
    import onnx_ir as ir

READS_SHAPE = ("Shape", "Size")
"""Operators that read no values: they take the uint8 tensor, so that nothing is dequantized for them."""


def _resize(node: ir.Node) -> str | None:
    mode = node.attributes.get("mode")
    name = "nearest" if mode is None else mode.as_string()
    if name == "linear":
        return "ONNX Runtime's INT8 linear Resize rounds down: every pixel loses half a step on average"
    if name != "nearest":
        return f"ONNX Runtime has no INT8 {name} Resize"
    transform = node.attributes.get("coordinate_transformation_mode")
    if transform is not None and transform.as_string() == "tf_crop_and_resize":
        return "outside the image it writes a real value, not a quantized one"
    return None


def _pad(node: ir.Node) -> str | None:
    if len(node.inputs) > 2 and (value := node.inputs[2]) is not None:
        if value.const_value is None or not value.is_initializer():
            return "the value it pads with is not a constant"
        if value.const_value.numpy().any():
            return "it pads with another value than 0"
    return None


for _name in ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split"):
    rule(OpRule(_name, ("", _name), output=SameAs()))
rule(OpRule("Resize", ("", "Resize"), output=SameAs(), check=_resize))
rule(OpRule("Pad", ("", "Pad"), output=SameAs(), check=_pad))
