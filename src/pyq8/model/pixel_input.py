"""A model that takes the camera's pixels: normalization, channel order and layout become part of the graph.

    x = (pixel * scale - mean) / std

The passes fold all of it into the first convolution; here it is only written down.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pyq8.errors import UsageError
from pyq8.loaders import PRESETS, Preprocess
from pyq8.loaders.bound import bind
from pyq8.loaders.preprocess import Color
from pyq8.model.intake import input_specs

if TYPE_CHECKING:
    import onnx_ir as ir

KEY = "pyq8.pixel_input"
"""Of the metadata that remembers it."""
LAYOUTS = ("nhwc", "nchw")
COLORS = ("rgb", "bgr")
_PERM = {("nhwc", "nchw"): [0, 3, 1, 2], ("nchw", "nhwc"): [0, 2, 3, 1]}


@dataclass(frozen=True)
class PixelInput:
    """What the model takes instead of normalized floats: uint8, 0..255.

    Args:
        preprocess: the normalization that goes into the graph.
        layout: of the pixels.
        color: the order of their channels.

    Raises:
        UsageError: no such layout or color.
    """

    preprocess: Preprocess
    layout: Literal["nhwc", "nchw"] = "nhwc"
    color: Literal["rgb", "bgr"] = "rgb"

    def __post_init__(self) -> None:
        for name, value, known in (("layout", self.layout, LAYOUTS), ("color", self.color, COLORS)):
            if value not in known:
                raise UsageError(f"{name} {value!r}: known are {', '.join(known)}")

    @property
    def raw(self) -> Preprocess:
        """What is left to do to an image: its geometry."""
        return self.strip(self.preprocess)

    def strip(self, preprocess: Preprocess | str) -> Preprocess:
        """The geometry of a preprocessing, or of a preset; the pixels are those that the model takes."""
        given = PRESETS.get(preprocess) if isinstance(preprocess, str) else preprocess
        color: Color = "gray" if self.preprocess.color == "gray" else self.color
        return replace(
            given,
            color=color,
            pad_color=given.pad_color if color == given.color else given.pad_color[::-1],
            layout=self.layout,
            mean=(0.0,),
            std=(1.0,),
            scale=1.0,
        )

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back."""
        return {"preprocess": self.preprocess.to_json(), "layout": self.layout, "color": self.color}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PixelInput:
        """The inverse of `to_json`."""
        return cls(Preprocess.from_json(data["preprocess"]), data["layout"], data["color"])


def pixel_input(input: str, layout: str, color: str, preprocess: Preprocess | str | None) -> PixelInput | None:
    """What the model is to take instead of floats; None for "float".

    Raises:
        UsageError: an option that cannot be, or no normalization to fold.
    """
    if input not in ("float", "uint8"):
        raise UsageError(f"input {input!r}: known are float, uint8")
    if input == "float":
        if (layout, color) != (PixelInput.layout, PixelInput.color):
            raise UsageError(f"layout {layout!r} and color {color!r} are for input uint8; add --input uint8")
        return None
    if preprocess is None:
        raise UsageError(
            "--input uint8 makes the normalization part of the model: say which, with --preset or --preprocess"
        )
    preprocess = PRESETS.get(preprocess) if isinstance(preprocess, str) else preprocess
    return PixelInput(preprocess, layout, color)  # type: ignore[arg-type]  # checked there


def remembered_pixels(model: ir.Model) -> PixelInput | None:
    """How a quantized model takes pixels, if it does."""
    text = model.metadata_props.get(KEY)
    return PixelInput.from_json(json.loads(text)) if text else None


def take_pixels(model: ir.Model, pixels: PixelInput) -> ir.Model:
    """A copy of an FP32 model whose input of the same name takes uint8 pixels.

    Args:
        model: with one float32 input [N, C, H, W] or [N, H, W, C].
        pixels: which, and what happened to them before.

    Raises:
        UsageError: the model has several inputs, or takes uint8 already.
        DataError: the preprocessing does not fit the input.
    """
    import onnx_ir as ir

    from pyq8.fresh_names import owners, rename_new
    from pyq8.graph_edit import add_initializer

    model = model.clone()
    graph = model.graph
    before = owners(graph)
    specs = input_specs(model)
    if len(specs) != 1 or specs[0].dtype != "float32":
        found = ", ".join(map(str, specs))
        raise UsageError(f"--input uint8 is for models with one float32 image as input; this one takes {found}")
    bound = bind(pixels.preprocess, specs[0]).preprocess
    (value,) = graph.inputs
    name = value.name or ""
    nodes: list[ir.Node] = []

    def then(op_type: str, *constants: Any, **attributes: ir.Attr) -> None:
        inputs = [nodes[-1].outputs[0] if nodes else camera]
        inputs += [add_initializer(graph, f"{name}_{op_type.lower()}", constant) for constant in constants]
        node = ir.Node("", op_type, inputs, list(attributes.values()), name=f"{name}_pixels_{op_type.lower()}")
        node.outputs[0].name = f"{node.name}_output"
        nodes.append(node)

    dims = list(value.shape or ())
    if bound.layout != pixels.layout:
        perm = _PERM[bound.layout, pixels.layout]
        dims = [dims[i] for i in perm]
    camera = ir.Value(name=name, type=ir.TensorType(ir.DataType.UINT8), shape=ir.Shape(dims))
    value.name = f"{name}_normalized"
    then("Cast", to=ir.AttrInt64("to", int(ir.DataType.FLOAT)))
    if bound.layout != pixels.layout:
        perm = _PERM[pixels.layout, bound.layout]
        then("Transpose", perm=ir.AttrInt64s("perm", perm))
    if bound.color != "gray" and bound.color != pixels.color:
        axis = 1 if bound.layout == "nchw" else 3
        then("Gather", np.asarray([2, 1, 0], np.int64), axis=ir.AttrInt64("axis", axis))
    shape = (-1, 1, 1) if bound.layout == "nchw" else (-1,)
    for op_type, numbers, neutral in (("Mul", (bound.scale,), 1), ("Sub", bound.mean, 0), ("Div", bound.std, 1)):
        if set(numbers) != {neutral}:
            then(op_type, np.asarray(numbers, np.float32).reshape(shape))
    graph.inputs[0] = camera
    graph.insert_before(graph[0], nodes)
    value.replace_all_uses_with(nodes[-1].outputs[0], replace_graph_outputs=True)
    rename_new(graph, before)
    return model


def same_input(
    fp32: ir.Model, quantized: ir.Model, preprocess: Preprocess | str | None = None
) -> tuple[ir.Model, Preprocess | str | None]:
    """The FP32 model taking what the quantized one takes, and what is left to do to an image for both.

    Args:
        fp32: the original.
        quantized: its quantized form; remembers whether it takes pixels.
        preprocess: what was asked for, or the name of a preset.
    """
    pixels = remembered_pixels(quantized)
    if pixels is None or input_specs(fp32) == input_specs(quantized):
        return fp32, preprocess
    return take_pixels(fp32, pixels), pixels.strip(preprocess) if preprocess is not None else None
