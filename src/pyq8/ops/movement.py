"""Operators that move values without changing them: they work on the uint8 tensor as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyq8.ops.rule import OpRule, SameAs, rule

if TYPE_CHECKING:
    import onnx_ir as ir


ROUNDS_DOWN = "ONNX Runtime's INT8 linear Resize rounds down: every pixel loses half a step on average"


def _resize(node: ir.Node) -> str | None:
    mode = node.attributes.get_string("mode", "nearest")
    if mode == "linear":
        return ROUNDS_DOWN
    if mode != "nearest":
        return f"ONNX Runtime has no INT8 {mode} Resize"
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch" and len(node.inputs) > 3 and node.inputs[3] is not None:
        return "between INT8 nodes ONNX Runtime loses the aspect ratio that it keeps"
    if node.attributes.get_string("coordinate_transformation_mode") == "tf_crop_and_resize":
        return "outside the image it writes a real value, not a quantized one"
    return None


def _pad(node: ir.Node) -> str | None:
    if len(node.inputs) > 2 and (value := node.inputs[2]) is not None:
        if value.const_value is None or not value.is_initializer():
            return "the value it pads with is not a constant"
        if value.const_value.numpy().any() and not _pads_pixels(node):
            return "it pads with another value than 0"
    return None


def _pads_pixels(node: ir.Node) -> bool:
    """Whether it works on pixels, of which every value is one of the integers."""
    source = node.inputs[0].producer() if node.inputs[0] is not None else None
    while source is not None and source.op_type in ("Reshape", "Transpose"):
        source = source.inputs[0].producer() if source.inputs[0] is not None else None
    return source is not None and source.op_type == "DequantizeLinear"


for _name in ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "DepthToSpace"):
    rule(OpRule(_name, ("", _name), output=SameAs()))
rule(OpRule("Resize", ("", "Resize"), output=SameAs(), check=_resize))
rule(OpRule("Pad", ("", "Pad"), output=SameAs(), check=_pad))
