"""Linear Resize by a whole factor between convolutions becomes a depthwise Conv that computes blocks, and DepthToSpace.

Enlarged s times, pixel s i + r of a row lies at i + f of the input and between two pixels of it:

    y[s i + r] = (1 - |f|) x[i] + |f| x[i + sign(f)]        f = (r + 1/2) / s - 1/2, or r / s (asymmetric)

The edge is repeated by one pixel before. The weights are whole multiples of one number, so exact in INT8, see
`affine.choose_weight_qparams`. ONNX Runtime's INT8 kernel for the linear Resize rounds down.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import constant, static_int
from pyq8.ops.movement import ROUNDS_DOWN
from pyq8.ops.placement import place
from pyq8.passes.blocks import replace_by_blocks
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array

MOST = 7
"""Of the factor: beyond, weights are no multiples up to 127 of one number."""
CENTRED, CORNER = ("half_pixel", "pytorch_half_pixel"), "asymmetric"


def run(model: ir.Model) -> PassResult:
    """Replace in place, only what lies between convolutions."""
    reasons = place(model).float_nodes

    def replace(node: ir.Node) -> bool:
        if reasons.get(node.name or "") != ROUNDS_DOWN:
            raise Refuse("it is not linear, or not between convolutions")
        return _replace(node)

    return for_each(model, "resize_to_conv", {"Resize"}, replace)


def _replace(node: ir.Node) -> bool:
    source = node.inputs[0]
    channels = source.shape[1] if source is not None and source.shape is not None and len(source.shape) == 4 else None
    if not isinstance(channels, int):
        raise Refuse("its input is not known to be [N, C, H, W] with a fixed C")
    where = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    if where not in (*CENTRED, CORNER) or static_int(node, "antialias", 0) or "axes" in node.attributes:
        raise Refuse(f"its coordinates are {where}, or it has axes or antialias")
    factor = _factor(node)
    row = _row(factor, where == CORNER)
    block = np.einsum("ri,cj->rcij", row, row).reshape(-1, 1, *[row.shape[1]] * 2)
    weight = np.repeat(block, channels, axis=0)
    edge = [0, 0, 1, 1] if where == CORNER else [1, 1, 1, 1]
    replace_by_blocks(node, weight, None, [0] * 4, channels, factor, edge=edge)
    return True


def _factor(node: ir.Node) -> int:
    """By which height and width grow.

    Raises:
        Refuse: they grow by different factors, or by none that is whole and known.
    """
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is not None and scales.size == 4:
        found = [float(s) for s in scales]
    else:
        before, after = (v.shape if v is not None else None for v in (node.inputs[0], node.outputs[0]))
        sizes = list(zip(list(before or ())[2:], list(after or ())[2:], strict=False))
        found = [1, 1, *(b / a if isinstance(a, int) and isinstance(b, int) else 0 for a, b in sizes)]
    factor = round(found[-1])
    if found != [1, 1, factor, factor] or not 2 <= factor <= MOST:
        raise Refuse("it does not enlarge height and width by the same whole factor")
    return factor


def _row(factor: int, corner: bool) -> Array:
    """Weights of the pixels around input pixel i for each of the output pixels of its block."""
    pixels = np.arange(factor)
    if corner:
        return np.stack([1 - pixels / factor, pixels / factor], axis=1)
    at = (pixels + 0.5) / factor - 0.5
    return np.stack([np.maximum(-at, 0), 1 - np.abs(at), np.maximum(at, 0)], axis=1)
