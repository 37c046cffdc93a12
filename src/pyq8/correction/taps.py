"""How often each tap of a convolution's kernel reads a pixel, and not the zeros around the image.

along one axis: position of tap k for output o = o * stride + k * dilation - pad
share_k = (number of o with 0 <= position < size) / (number of o)
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pyq8.passes.graph_edit import static_ints

if TYPE_CHECKING:
    import onnx_ir as ir


def tap_shares(node: ir.Node, kernel: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Share of the outputs for which a tap reads a pixel, float64 of the kernel's shape.

    1 along an axis whose size is not known, and everywhere for operators without padding.

    Args:
        node: Conv, Gemm or MatMul.
        kernel: sizes of the kernel's axes, () for Gemm.
    """
    source, rank = node.inputs[0], len(kernel)
    known = source.shape.dims[2:] if source is not None and source.shape is not None else ()
    if not rank or len(known) != rank:
        return np.ones(kernel)
    strides = static_ints(node, "strides", [1] * rank)
    dilations = static_ints(node, "dilations", [1] * rank)
    axes = []
    for i, (size, taps) in enumerate(zip(known, kernel, strict=True)):
        if not isinstance(size, int):
            axes.append(np.ones(taps))
            continue
        begin, count = _outputs(node, i, rank, size, (taps - 1) * dilations[i] + 1, strides[i])
        position = np.arange(count)[:, None] * strides[i] + np.arange(taps) * dilations[i] - begin
        axes.append(np.mean((position >= 0) & (position < size), axis=0))
    return np.asarray(reduce(np.multiply.outer, axes))


def _outputs(node: ir.Node, axis: int, rank: int, size: int, extent: int, stride: int) -> tuple[int, int]:
    """(padding before, number of outputs) along one axis."""
    attribute = node.attributes.get("auto_pad")
    mode = "NOTSET" if attribute is None else attribute.as_string()
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        count = -(-size // stride)
        total = max((count - 1) * stride + extent - size, 0)
        return (total // 2 if mode == "SAME_UPPER" else -(-total // 2)), count
    pads = [0] * (2 * rank) if mode == "VALID" else static_ints(node, "pads", [0] * (2 * rank))
    return pads[axis], max((size + pads[axis] + pads[axis + rank] - extent) // stride + 1, 1)
