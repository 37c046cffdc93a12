"""The 1x1 Conv that computes W x + b at every pixel: what the passes that move one ask of it."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import constant, static_int, static_ints
from pyq8.passes.rewriting import Refuse
from pyq8.types import Array


def pointwise_weight(conv: ir.Node) -> Array:
    """Its weight, [C, K, 1, 1].

    Raises:
        Refuse: it is not constant, or the Conv is larger than 1x1, grouped, strided or padded.
    """
    weight = constant(conv.inputs[1])
    if weight is None:
        raise Refuse(f"the weight of {conv.name!r} is not a constant")
    if any(k != 1 for k in weight.shape[2:]) or static_int(conv, "group", 1) != 1:
        raise Refuse(f"{conv.name!r} is not 1x1 and of one group")
    if any(s != 1 for s in static_ints(conv, "strides", [])):
        raise Refuse(f"{conv.name!r} skips pixels")
    if any(static_ints(conv, "pads", [])):
        raise Refuse(f"{conv.name!r} pads")
    return weight
