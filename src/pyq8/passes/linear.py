"""Conv, ConvTranspose and Gemm seen as y_c = sum_k W_ck x_k + b_c: the part that the folding passes share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, set_input, static_int
from pyq8.passes.rewriting import Refuse
from pyq8.types import Array

OP_TYPES = ("Conv", "ConvTranspose", "Gemm")


def output_axis(node: ir.Node) -> int:
    """The axis of the weight that counts output channels."""
    if node.op_type == "Gemm":
        return 0 if static_int(node, "transB", 0) else 1
    return 1 if node.op_type == "ConvTranspose" else 0


def parameters(node: ir.Node) -> tuple[Array, npt.NDArray[np.float64]]:
    """Weight as it is stored, and bias as it is added, float64 (C,), zeros where there is none.

    Raises:
        Refuse: they are not constant, not float32, or not one value a channel.
    """
    weight = constant(node.inputs[1])
    if weight is None or weight.dtype != np.float32:
        raise Refuse("the weight before it is not a float32 constant")
    if node.op_type == "ConvTranspose" and static_int(node, "group", 1) != 1:
        raise Refuse("the transposed convolution before it is grouped")
    channels = weight.shape[output_axis(node)]
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return weight, np.zeros(channels)
    bias = constant(node.inputs[2])
    if bias is None:
        raise Refuse("the bias before it is not a constant")
    if bias.size not in (1, channels) or bias.size != max(bias.shape[-1:], default=1):
        raise Refuse("the bias before it is not one value a channel")
    scale = node.attributes.get_float("beta", 1.0)
    return weight, np.broadcast_to(bias.astype(np.float64).reshape(-1) * scale, (channels,))


def replace(node: ir.Node, factor: npt.NDArray[np.float64], bias: npt.NDArray[np.float64]) -> None:
    """W_c <- W_c * factor_c, b <- bias, in new initializers: others may share the old ones.

    Raises:
        Refuse: a value is not finite.
    """
    weight = constant(node.inputs[1])
    graph = node.graph
    assert weight is not None and graph is not None
    shape = [1] * weight.ndim
    shape[output_axis(node)] = -1
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (weight.astype(np.float64) * factor.reshape(shape)).astype(np.float32)
        shifted = bias.astype(np.float32)
    if not (np.isfinite(scaled).all() and np.isfinite(shifted).all()):
        raise Refuse("folding it would overflow float32")
    if (factor != 1).any():
        set_input(node, 1, add_initializer(graph, f"{node.inputs[1].name}_folded", scaled))  # type: ignore[union-attr]
    node.attributes.pop("beta", None)
    set_input(node, 2, add_initializer(graph, f"{node.name}_bias_folded", shifted))
