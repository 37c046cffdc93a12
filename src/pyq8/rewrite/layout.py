"""Keep ONNX Runtime's layout passes from what they break.

Between integer convolutions, which want channels last, they move a Transpose through every Resize and permute its
sizes. They do not ask whether the kernel takes the other order, as the cubic one does not unless it enlarges, nor do
they look at an aspect ratio that is kept: the model then does not load or does not run. Behind the Sum of `shield` they
do not move it through a Reshape to the same shape, which copies nothing.

Source: onnxruntime layout_transformation, transpose_optimizer.cc, upsamplebase.h.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import constant, set_input
from pyq8.rewrite.tensors import Tensors, describe

SCALES, SIZES = 2, 3


def keep_layout(tensors: Tensors) -> None:
    """Put a Reshape before every Resize that would not survive a Transpose."""
    for node in list(tensors.graph):
        source = node.inputs[0] if node.inputs else None
        if node.domain or source is None or source.dtype is None or source.shape is None or not _breaks(node):
            continue
        shape = np.zeros(len(source.shape), np.int64)
        shape[-1:] = -1
        same = ir.node("Reshape", [source, tensors.initializer(f"{node.name}_as_it_is", shape)],
                       name=f"{node.name}_keeps_layout")  # fmt: skip
        describe(same.outputs[0], tensors.fresh(f"{node.name}_input_as_it_is"), source.dtype, source)
        tensors.graph.insert_before(node, same)
        set_input(node, 0, same.outputs[0])


def _breaks(node: ir.Node) -> bool:
    if node.op_type != "Resize":
        return False
    given = node.attributes
    keeps = given.get_string("keep_aspect_ratio_policy", "stretch") != "stretch" and _is_given(node, SIZES)
    cubic = given.get_string("mode") == "cubic" and not given.get_int("antialias", 0)
    return keeps or "axes" in given or (cubic and not _enlarges(node))


def _is_given(node: ir.Node, index: int) -> bool:
    return len(node.inputs) > index and node.inputs[index] is not None


def _enlarges(node: ir.Node) -> bool:
    """Whether no axis becomes smaller, as far as that is known."""
    scales = constant(node.inputs[SCALES]) if len(node.inputs) > SCALES else None
    if scales is not None and scales.size:
        return bool((scales >= 1).all())
    shapes = [v.shape for v in (node.inputs[0], node.outputs[0]) if v is not None and v.shape is not None]
    return len(shapes) == 2 and all(
        a == b or (isinstance(a, int) and isinstance(b, int) and a <= b) for a, b in zip(*shapes, strict=True)
    )
