"""The operators: arguments checked, then the compiled kernels, or the reference where there are none."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from pyq8.errors import UsageError
from pyq8.kernels import library, reference
from pyq8.kernels.arguments import address, bound_of, compiled, demand, index, kept, shape_of, split_scale
from pyq8.kernels.chain import LIMIT
from pyq8.kernels.geometry import Conv, Padding, Pair
from pyq8.kernels.memory import empty
from pyq8.kernels.reference import Float32, Int16

_overflows = 0


def conv_forward(
    x: Int16,
    w: Int16,
    *,
    scale: float,
    bias: Float32 | None = None,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    chain: int | None = None,
    bound: int | None = None,
    out: Float32 | None = None,
    check: bool = False,
) -> tuple[Float32, float]:
    """The convolution of int16 numbers, and the largest magnitude of the result.

        y = scale * sum x * w + bias

    Args:
        x: int16 [n, h, w, c], within +-32767, C-contiguous like every array here.
        w: int16 [k, r, s, c / groups].
        scale: of the sums; two float32 factors hold it, so 1e-60 is no zero.
        bias: float32 [k].
        stride: rows, columns.
        padding: zeros above, left, below, right.
        dilation: rows, columns.
        groups: of channels.
        chain: products summed in INT32 before FP32, even, at least 2; None for the longest proven safe.
        bound: a bound of |x|, for that proof; None looks for the largest.
        out: float32 [n, ho, wo, k] to write to.
        check: sum in INT64 too, and count the chains that INT32 does not hold (`overflows`); slow.

    Returns:
        y, float32 [n, ho, wo, k], and max|y|.

    Raises:
        UsageError: sizes that do not fit one another.
        DataError: an array of another shape, type or layout.
    """
    n, h, width, c = shape_of("x", x, 4)
    k, r, s, _ = shape_of("w", w, 4)
    conv = Conv(n, h, width, c, k, r, s, stride, padding, dilation, groups)
    demand("x", x, np.int16, conv.x_shape)
    demand("w", w, np.int16, conv.w_shape)
    if bias is not None:
        demand("bias", bias, np.float32, (k,))
    return _run("forward", conv, (x, w, bias), conv.y_shape, reference.conv_forward, scale, chain, bound, out, check)


def conv_backward_data(
    dy: Int16,
    w: Int16,
    *,
    scale: float,
    input_hw: Pair,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    chain: int | None = None,
    bound: int | None = None,
    out: Float32 | None = None,
    check: bool = False,
) -> tuple[Float32, float]:
    """The gradient of the convolution's input, and its largest magnitude.

    Args:
        dy: int16 [n, ho, wo, k], the gradient of the output.
        w: int16 [k, r, s, c / groups].
        scale: of the sums.
        input_hw: rows and columns of the input.
        stride: as of the convolution, like padding, dilation and groups.
        padding: zeros above, left, below, right.
        dilation: rows, columns.
        groups: of channels.
        chain: products summed in INT32, as of `conv_forward`.
        bound: a bound of |dy|.
        out: float32 [n, h, w, c] to write to.
        check: count overflows.

    Returns:
        dx, float32 [n, h, w, c], and max|dx|.

    Raises:
        UsageError: sizes that do not fit one another.
        DataError: an array of another shape, type or layout.
    """
    k, r, s, channels = shape_of("w", w, 4)
    conv = Conv(shape_of("dy", dy, 4)[0], *input_hw, channels * groups, k, r, s, stride, padding, dilation, groups)
    demand("dy", dy, np.int16, conv.y_shape)
    demand("w", w, np.int16, conv.w_shape)
    return _run(
        "backward_data", conv, (dy, w), conv.x_shape, reference.conv_backward_data, scale, chain, bound, out, check
    )


def conv_backward_weight(
    x: Int16,
    dy: Int16,
    *,
    scale: float,
    kernel_hw: Pair,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    chain: int | None = None,
    bound: int | None = None,
    out: Float32 | None = None,
    check: bool = False,
) -> tuple[Float32, float]:
    """The gradient of the convolution's weight, and its largest magnitude.

    Args:
        x: int16 [n, h, w, c], the input.
        dy: int16 [n, ho, wo, k], the gradient of the output.
        scale: of the sums.
        kernel_hw: rows and columns of the kernel.
        stride: as of the convolution, like padding, dilation and groups.
        padding: zeros above, left, below, right.
        dilation: rows, columns.
        groups: of channels.
        chain: products (pixels) summed in INT32, as of `conv_forward`; also ended by every 1024th pixel.
        bound: a bound of |x|.
        out: float32 [k, r, s, c / groups] to write to.
        check: count overflows.

    Returns:
        dw, float32 [k, r, s, c / groups], and max|dw|.

    Raises:
        UsageError: sizes that do not fit one another.
        DataError: an array of another shape, type or layout.
    """
    k = shape_of("dy", dy, 4)[3]
    n, h, width, c = shape_of("x", x, 4)
    conv = Conv(n, h, width, c, k, *kernel_hw, stride, padding, dilation, groups)
    demand("x", x, np.int16, conv.x_shape)
    demand("dy", dy, np.int16, conv.y_shape)
    return _run(
        "backward_weight", conv, (x, dy), conv.w_shape, reference.conv_backward_weight, scale, chain, bound, out, check
    )


def gemm(
    a: Int16,
    b: Int16,
    *,
    scale: float,
    bias: Float32 | None = None,
    chain: int | None = None,
    bound: int | None = None,
    out: Float32 | None = None,
    check: bool = False,
) -> tuple[Float32, float]:
    """scale * a @ b.T + bias, and its largest magnitude: `conv_forward` of one row of pixels.

    Args:
        a: int16 [m, k].
        b: int16 [n, k].
        scale: of the sums.
        bias: float32 [n].
        chain: products summed in INT32, as of `conv_forward`.
        bound: a bound of |a|.
        out: float32 [m, n] to write to.
        check: count overflows.

    Returns:
        float32 [m, n], and its max|.|.

    Raises:
        UsageError: sizes that do not fit one another.
        DataError: an array of another shape, type or layout.
    """
    m, k = shape_of("a", a, 2)
    n, _ = shape_of("b", b, 2)
    demand("a", a, np.int16, (m, k))
    demand("b", b, np.int16, (n, k))
    if out is not None:
        demand("out", out, np.float32, (m, n))
        out = out.reshape(1, 1, m, n)
    x, w = a.reshape(1, 1, m, k), b.reshape(n, 1, 1, k)
    result, peak = conv_forward(x, w, scale=scale, bias=bias, chain=chain, bound=bound, out=out, check=check)
    return result.reshape(m, n), peak


def overflows() -> int:
    """Chains that INT32 did not hold, in all calls with `check=True` so far."""
    return _overflows


def _run(
    name: str,
    conv: Conv,
    arrays: tuple[Any, ...],
    shape: tuple[int, ...],
    fallback: Callable[..., Float32],
    scale: float,
    chain: int | None,
    bound: int | None,
    out: Float32 | None,
    check: bool,
) -> tuple[Float32, float]:
    """The compiled function `name`, or the fallback; arrays[0] is the one that `bound` is of."""
    global _overflows
    if chain is not None and (chain < 2 or chain % 2):
        raise UsageError(f"a chain of {chain} products: it takes an even number, at least 2")
    if out is not None:
        demand("out", out, np.float32, shape)
    if bound is not None and not 0 <= bound <= LIMIT:
        raise UsageError(f"a bound of {bound}: mantissas go to {LIMIT}")
    if chain is None and bound is None:
        bound = bound_of(arrays[0])
    bound = max(bound or 0, 1)
    isa, scales = library.chosen(), split_scale(scale)
    if isa == library.REFERENCE:
        numbers = reference.Numbers((np.float32(scales[0]), np.float32(scales[1])), chain, bound)
        result = fallback(conv, numbers, *arrays)
        _overflows += numbers.overflows if check else 0
        return kept(result, out), float(np.max(np.abs(result)))
    result = empty(shape, np.float32) if out is None else out
    call = library.CCall((ctypes.c_float * 2)(*scales), 0, index(isa), (chain or 0) // 2, bound, 0 if check else -1)
    sizes = (conv.n, conv.h, conv.w, conv.c, conv.k, conv.r, conv.s, conv.ho, conv.wo)
    steps = (*conv.stride, *conv.padding[:2], *conv.dilation, conv.groups)
    pointers = [None if array is None else address(array) for array in arrays]
    if getattr(compiled(), f"pyq8_{name}")(library.CConv(*sizes, *steps), call, *pointers, address(result)):
        raise MemoryError(f"pyq8.kernels: no memory for a {name} convolution of {conv}")
    _overflows += call.overflows if check else 0
    return result, float(call.peak)
