"""Where a CPU without VNNI saturates: it adds pairs of u8 x s8 products in 16 bits.

ONNX Runtime's kernels lay the products of one output out in the order (tap, input channel of the group), and
vpmaddubsw adds products 2k and 2k + 1 of them with saturation. An input code is at most 255, so no input saturates

    255 * (sum of the pair's positive weights) <= 32767    and    255 * (sum of its negative ones) >= -32768

which is: neither sum is beyond LIMIT. A last product without a partner is safe, and so are depthwise convolutions,
whose kernel multiplies in 16 bits and adds in 32. In "kernel order" below, a row is one output's weights as the
kernel lays them out.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import static_int
from pyq8.ops.fast_path import is_depthwise
from pyq8.types import Array

LIMIT = 32767 // 255
"""128: what two weights of one sign may add up to."""


def adds_pairs(op_type: str, shape: tuple[int, ...], groups: int) -> bool:
    """Whether the INT8 kernel of an operator adds pairs.

    Args:
        op_type: "Conv", its integer form or a kind of matrix product.
        shape: of the weight, [out, in / groups, ...] of a convolution.
        groups: of a convolution, else 1.
    """
    if not op_type.endswith("Conv"):
        return True
    return not (is_depthwise(groups, shape[1], shape[0]) or shape[:2] == (1, 1))


def node_adds_pairs(node: ir.Node, weight: ir.Value) -> bool:
    """Whether the INT8 kernel of a Conv, Gemm or MatMul does, or of an integer form of them."""
    shape = tuple(weight.const_value.shape.numpy()) if weight.const_value is not None else ()
    return adds_pairs(node.op_type, shape, static_int(node, "group", 1))


def kernel_order(weight: Array, axis: int) -> Array:
    """A weight as rows [out, K] in the order in which the kernel adds their products.

    Args:
        weight: of a convolution [out, in, ...], or the [K, out] or [out, K] of a matrix product; any type.
        axis: of the output channels.
    """
    rows = np.moveaxis(weight, axis, 0)
    return np.asarray(np.moveaxis(rows, 1, -1).reshape(len(rows), -1))


def undo_kernel_order(rows: Array, like: Array, axis: int) -> Array:
    """The inverse of `kernel_order`: an array of the shape of `like`."""
    moved = np.moveaxis(like, axis, 0)
    shape = (moved.shape[0], *moved.shape[2:], moved.shape[1])
    return np.asarray(np.moveaxis(np.moveaxis(rows.reshape(shape), -1, 1), 0, axis), order="C")


def laid_out(channels: int, taps: int) -> Array:
    """Where each product, in kernel order, has its weight in a row [channels, taps]: int (K,)."""
    return np.asarray(np.arange(channels * taps).reshape(channels, taps).T.reshape(-1))


def unsafe(rows: Array) -> Array:
    """Which pairs can saturate: bool [out, K // 2].

    Args:
        rows: integer codes [out, K] in kernel order.
    """
    last = rows.shape[1] // 2 * 2
    first, second = rows[:, 0:last:2].astype(np.int16), rows[:, 1:last:2]
    return np.asarray(np.abs(first + second) > LIMIT)  # of two signs, no pair of int8 goes as far


def can_saturate(codes: Array, axis: int) -> bool:
    """Whether a pair of these int8 weights can; arguments as those of `kernel_order`."""
    if max(int(codes.max(initial=0)), -int(codes.min(initial=0))) <= LIMIT // 2:
        return False
    return bool(unsafe(kernel_order(codes, axis)).any())


def project(wanted: Array, qmax: int) -> Array:
    """The safe codes nearest to real numbers: pairs that go too far together give up the same each.

    Args:
        wanted: float [out, K] in kernel order, in units of the scale.
        qmax: codes lie in -qmax..qmax.

    Returns:
        Whole float numbers of the same shape.
    """
    codes = np.clip(np.rint(wanted), -qmax, qmax)
    last = codes.shape[1] // 2 * 2
    row, pair = np.nonzero(np.abs(codes[:, 0:last:2] + codes[:, 1:last:2]) > LIMIT)
    signs = np.sign(codes[row, 2 * pair])
    first, second = (np.abs(np.clip(wanted[row, 2 * pair + i], -qmax, qmax)) for i in (0, 1))
    kept = np.clip(np.rint((LIMIT + first - second) / 2), LIMIT - qmax, qmax)
    codes[row, 2 * pair], codes[row, 2 * pair + 1] = signs * kept, signs * (LIMIT - kept)
    return codes
