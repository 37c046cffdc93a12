"""FP32 to int16 mantissas with one exponent."""

from __future__ import annotations

import ctypes
import math

import numpy as np

from pyq8.errors import DataError, UsageError
from pyq8.kernels import library, reference
from pyq8.kernels.arguments import address, compiled, demand, index, kept, split_scale
from pyq8.kernels.memory import empty
from pyq8.kernels.reference import Float32, Int16


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
    demand("x", x, np.float32, x.shape)
    isa = library.chosen()
    if isa == library.REFERENCE:
        return reference.absmax(x)
    return float(compiled().pyq8_absmax(index(isa), address(x), x.size))


def _check_quantized(x: Float32, bits: int, out: Int16 | None) -> None:
    if not 1 <= bits <= 15:
        raise UsageError(f"{bits} magnitude bits: an int16 mantissa has 1 to 15")
    demand("x", x, np.float32, x.shape)
    if out is not None:
        demand("out", out, np.int16, x.shape)


def _quantize(x: Float32, exponent: int, bits: int, out: Int16 | None) -> tuple[Int16, float]:
    """The mantissas, and max|x|."""
    isa = library.chosen()
    if isa == library.REFERENCE:
        result = reference.quantize(x, exponent, bits)
        return kept(result, out), reference.absmax(x)
    result = empty(x.shape, np.int16) if out is None else out
    scales = (ctypes.c_float * 2)(*split_scale(math.ldexp(1.0, max(-250, min(250, -exponent)))))
    most = compiled().pyq8_quantize(index(isa), address(x), x.size, scales, 2**bits - 1, address(result))
    return result, float(most)
