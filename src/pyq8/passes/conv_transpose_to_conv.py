"""ConvTranspose becomes a Conv that computes a block of output pixels at each input pixel, and DepthToSpace.

Of stride s and with p pixels cut away before, output pixel s q + r - p, 0 <= r < s, sees weight r + s t at pixel q - t:

    y[s q + r - p] = sum_t W[r + s t] x[q - t]        a Conv of ceil(k / s) taps with s^2 times the channels

Where p or what is cut away behind is no multiple of s, a Slice takes it away. ONNX Runtime has no INT8 ConvTranspose,
and its FP32 kernel adds up the columns of a matrix product pixel by pixel. Measured: see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import constant, static_int, static_ints
from pyq8.passes.blocks import replace_by_blocks
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array


def run(model: ir.Model) -> PassResult:
    """Replace in place."""
    return for_each(model, "conv_transpose_to_conv", {"ConvTranspose"}, _replace)


def _replace(node: ir.Node) -> bool:
    weight = constant(node.inputs[1])
    given = node.inputs[2] if len(node.inputs) > 2 else None
    bias = constant(given)
    if weight is None or (given is not None and bias is None):
        raise Refuse("its weight or bias is not a constant")
    if weight.ndim != 4 or weight.dtype != np.float32:
        raise Refuse("it is not of two dimensions in float32")
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or "output_shape" in node.attributes:
        raise Refuse("its pads depend on the size of the image")
    strides = static_ints(node, "strides", [1, 1])
    if strides[0] != strides[1]:
        raise Refuse("its strides differ, and DepthToSpace has one")
    stride, group = strides[0], static_int(node, "group", 1)
    wide = _dilated(weight, static_ints(node, "dilations", [1, 1]))
    cut, more = static_ints(node, "pads", [0] * 4), static_ints(node, "output_padding", [0, 0])
    pads, crop = [0] * 4, [0] * 4
    for axis in (0, 1):
        kernel = wide.shape[axis + 2]
        last = kernel + more[axis] - cut[axis + 2]  # pixels of the output from where the last of the input begins
        pads[axis], pads[axis + 2] = -(-kernel // stride) - 1 - cut[axis] // stride, (last - 1) // stride
        crop[axis], crop[axis + 2] = cut[axis] % stride, -last % stride
    crop = [
        count + stride * max(0, -pad) for count, pad in zip(crop, pads, strict=True)
    ]  # whole blocks, where no pad is
    pads = [max(0, pad) for pad in pads]
    repeated = None if bias is None else np.tile(bias, stride * stride)
    replace_by_blocks(node, _blocks(wide, stride, group), repeated, pads, group, stride, crop=crop)
    return True


def _dilated(weight: Array, dilations: list[int]) -> Array:
    """The weight with zeros between its taps."""
    size = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    wide = np.zeros((*weight.shape[:2], *size), weight.dtype)
    wide[:, :, :: dilations[0], :: dilations[1]] = weight
    return wide


def _blocks(weight: Array, stride: int, group: int) -> Array:
    """The weight (C, K / group, R, S) as the Conv's, (stride^2 K, C / group, ceil(R / stride), ceil(S / stride))."""
    taps = [-(-k // stride) for k in weight.shape[2:]]
    whole = [(0, t * stride - k) for t, k in zip(taps, weight.shape[2:], strict=True)]
    padded = np.pad(weight, [(0, 0), (0, 0), *whole])
    parts = padded.reshape(group, -1, weight.shape[1], taps[0], stride, taps[1], stride)
    moved = parts[:, :, :, ::-1, :, ::-1].transpose(4, 6, 0, 2, 1, 3, 5)
    return np.ascontiguousarray(moved).reshape(-1, weight.shape[0] // group, *taps)
