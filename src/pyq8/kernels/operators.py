"""The operators: arguments checked, then the compiled kernels, or the reference where there are none."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pyq8.errors import DataError, UsageError
from pyq8.kernels import library, reference
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
    n, h, width, c = _shape("x", x, 4)
    k, r, s, _ = _shape("w", w, 4)
    conv = Conv(n, h, width, c, k, r, s, stride, padding, dilation, groups)
    _demand("x", x, np.int16, conv.x_shape)
    _demand("w", w, np.int16, conv.w_shape)
    if bias is not None:
        _demand("bias", bias, np.float32, (k,))
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
    k, r, s, channels = _shape("w", w, 4)
    conv = Conv(_shape("dy", dy, 4)[0], *input_hw, channels * groups, k, r, s, stride, padding, dilation, groups)
    _demand("dy", dy, np.int16, conv.y_shape)
    _demand("w", w, np.int16, conv.w_shape)
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
    k = _shape("dy", dy, 4)[3]
    n, h, width, c = _shape("x", x, 4)
    conv = Conv(n, h, width, c, k, *kernel_hw, stride, padding, dilation, groups)
    _demand("x", x, np.int16, conv.x_shape)
    _demand("dy", dy, np.int16, conv.y_shape)
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
    m, k = _shape("a", a, 2)
    n, _ = _shape("b", b, 2)
    _demand("a", a, np.int16, (m, k))
    _demand("b", b, np.int16, (n, k))
    if out is not None:
        _demand("out", out, np.float32, (m, n))
        out = out.reshape(1, 1, m, n)
    x, w = a.reshape(1, 1, m, k), b.reshape(n, 1, 1, k)
    result, peak = conv_forward(x, w, scale=scale, bias=bias, chain=chain, bound=bound, out=out, check=check)
    return result.reshape(m, n), peak


def quantize(x: Float32, exponent: int, bits: int, *, out: Int16 | None = None) -> Int16:
    """round_half_even(x / 2^exponent), clamped to +-(2^bits - 1).

    Args:
        x: float32, any shape, finite (`absmax` tells).
        exponent: of the mantissas, any integer.
        bits: magnitude bits, 1 to 15.
        out: int16 of x's shape to write to.

    Returns:
        int16 mantissas of x's shape.

    Raises:
        UsageError: bits outside 1..15.
        DataError: an array of another shape, type or layout.
    """
    _check_quantized(x, bits, out)
    return _quantize(x, exponent, bits, out)[0]


def quantize_tensor(x: Float32, bits: int, *, guess: int | None = None, out: Int16 | None = None) -> tuple[Int16, int]:
    """`quantize` at the exponent at which max|x| fills the bits: 2^(bits-1) <= max|x| / 2^exponent < 2^bits.

    With a guess of that exponent, which in training is that of the step before, x is read only once where it is right.

    Args:
        x: float32, any shape.
        bits: magnitude bits, 1 to 15.
        guess: of the exponent; it changes the time, not the result.
        out: int16 of x's shape to write to.

    Returns:
        int16 mantissas of x's shape, and their exponent; of zeros 0.

    Raises:
        UsageError: bits outside 1..15.
        DataError: x holds NaN or infinity, or is of another type or layout.
    """
    _check_quantized(x, bits, out)
    if guess is not None:
        out, most = _quantize(x, guess, bits, out)
    else:
        most = absmax(x)
    if not math.isfinite(most):
        raise DataError("a tensor holds NaN or infinity, which no fixed point number can be; look where they come from")
    exponent = math.frexp(most)[1] - bits if most else 0
    if out is None or exponent != guess:
        out, _ = _quantize(x, exponent, bits, out)
    return out, exponent


def absmax(x: Float32) -> float:
    """max|x|, 0 of an empty array; NaN where x holds NaN.

    Args:
        x: float32, any shape.

    Raises:
        DataError: an array of another type or layout.
    """
    _demand("x", x, np.float32, x.shape)
    isa = library.chosen()
    if isa == library.REFERENCE:
        return reference.absmax(x)
    return float(_lib().pyq8_absmax(_index(isa), _address(x), x.size))


def overflows() -> int:
    """Chains that INT32 did not hold, in all calls with `check=True` so far."""
    return _overflows


def _run(
    name: str,
    conv: Conv,
    arrays: tuple[npt.NDArray[Any] | None, ...],
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
        _demand("out", out, np.float32, shape)
    isa = library.chosen()
    if chain is None and bound is None:
        bound = _absmax16(isa, arrays[0])
    bound = min(max(bound or 1, 1), LIMIT)
    factors = _factors(scale)
    if isa == library.REFERENCE:
        numbers = reference.Numbers((np.float32(factors[0]), np.float32(factors[1])), chain, bound)
        result = fallback(conv, numbers, *arrays)
        _overflows += numbers.overflows if check else 0
        return (result if out is None else _copied(result, out)), float(np.max(np.abs(result)))
    result = empty(shape, np.float32) if out is None else out
    call = library.CCall((ctypes.c_float * 2)(*factors), 0, _index(isa), (chain or 0) // 2, bound, 0 if check else -1)
    sizes = library.CConv(
        *(conv.n, conv.h, conv.w, conv.c, conv.k, conv.r, conv.s, conv.ho, conv.wo, *conv.stride),
        *conv.padding[:2],
        *conv.dilation,
        conv.groups,
    )
    pointers = [None if array is None else _address(array) for array in arrays]
    if getattr(_lib(), f"pyq8_{name}")(sizes, call, *pointers, _address(result)):
        raise MemoryError(f"pyq8.kernels: no memory for a {name} convolution of {conv}")
    _overflows += call.overflows if check else 0
    return result, float(call.peak)


def _check_quantized(x: Float32, bits: int, out: Int16 | None) -> None:
    if not 1 <= bits <= 15:
        raise UsageError(f"{bits} magnitude bits: an int16 mantissa has 1 to 15")
    _demand("x", x, np.float32, x.shape)
    if out is not None:
        _demand("out", out, np.int16, x.shape)


def _quantize(x: Float32, exponent: int, bits: int, out: Int16 | None) -> tuple[Int16, float]:
    """The mantissas, and max|x|."""
    isa = library.chosen()
    if isa == library.REFERENCE:
        result = reference.quantize(x, exponent, bits)
        return (result if out is None else _copied(result, out)), reference.absmax(x)
    result = empty(x.shape, np.int16) if out is None else out
    factors = (ctypes.c_float * 2)(*_factors(math.ldexp(1.0, max(-250, min(250, -exponent)))))
    most = _lib().pyq8_quantize(_index(isa), _address(x), x.size, factors, 2**bits - 1, _address(result))
    return result, float(most)


def _factors(scale: float) -> tuple[float, float]:
    """Two float32 numbers whose product is the scale: itself and 1 where it fits, else the second a power of two."""
    if scale == 0 or 2.0**-126 <= abs(scale) < 2.0**127:
        return scale, 1.0
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(mantissa, exponent // 2), math.ldexp(1.0, exponent - exponent // 2)


def _absmax16(isa: str, x: npt.NDArray[Any] | None) -> int:
    assert x is not None
    if isa == library.REFERENCE:
        return max(int(x.max(initial=0)), -int(x.min(initial=0)))
    return int(_lib().pyq8_absmax16(_index(isa), _address(x), x.size))


def _shape(name: str, array: npt.NDArray[Any], rank: int) -> tuple[int, ...]:
    if array.ndim != rank:
        raise DataError(f"{name} of shape {list(array.shape)}: it takes {rank} axes")
    return array.shape


def _demand(name: str, array: npt.NDArray[Any], dtype: type, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise DataError(f"{name} is {array.dtype} {list(array.shape)}: it takes {np.dtype(dtype)} {list(shape)}")
    if not array.flags.c_contiguous:
        raise DataError(f"{name} is not C-contiguous; give numpy.ascontiguousarray of it")


def _copied(result: npt.NDArray[Any], out: npt.NDArray[Any]) -> Any:
    out[...] = result
    return out


def _lib() -> ctypes.CDLL:
    loaded, reason = library.load()
    assert loaded is not None, reason
    return loaded


def _index(isa: str) -> int:
    return library.names().index(isa)


def _address(array: npt.NDArray[Any]) -> int:
    return array.ctypes.data
