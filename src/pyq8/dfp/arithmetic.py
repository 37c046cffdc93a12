"""Multiply, add and down-convert DFP tensors, with integers alone. The mathematics: docs/explanation/dfp.md.

The reference of what the compiled kernels do: short, exact where it can be, and nothing ever wraps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyq8.dfp.tensor import BITS, DfpTensor, check_bits
from pyq8.errors import UsageError

_INT32 = 2**31 - 1


def multiply(a: DfpTensor, b: DfpTensor) -> DfpTensor:
    """I_a * I_b, E_a + E_b: exact, element by element.

    Args:
        a: int16 mantissas.
        b: int16 mantissas, of a shape that broadcasts with a's.

    Returns:
        int32 mantissas, at most 32767^2 < 2^30.

    Raises:
        UsageError: int32 mantissas; down_convert them first.
    """
    for operand in (a, b):
        if operand.mantissa.dtype != np.int16:
            raise UsageError(f"multiply takes int16 mantissas, not {operand.mantissa.dtype}; down_convert first")
    return DfpTensor(np.multiply(a.mantissa, b.mantissa, dtype=np.int32), a.exponent + b.exponent)


def add(a: DfpTensor, b: DfpTensor) -> DfpTensor:
    """The operand of the smaller exponent is shifted right to the larger one, and the integers are added.

    A shift rounds half to even. Where the sum might not fit 31 bits both are shifted further. The result is within
    half a step of its exponent, or one whole step where both were shifted. An operand of zeros leaves the other's
    exponent as it is.

    Args:
        a: int16 or int32 mantissas.
        b: likewise, of a shape that broadcasts with a's.

    Returns:
        int32 mantissas.
    """
    exponent = max((t.exponent for t in (a, b) if t.peak), default=0)
    while _shifted(a, exponent).peak + _shifted(b, exponent).peak > _INT32:
        exponent += 1
    total = _shifted(a, exponent).mantissa + _shifted(b, exponent).mantissa
    return DfpTensor(total.astype(np.int32), exponent)


def down_convert(tensor: DfpTensor, bits: int = BITS) -> DfpTensor:
    """I >> R, E + R with R = max(0, bit length of max|I| - bits), rounded half to even, clamped to +-(2^bits - 1).

    Exact where R = 0; else within half a step 2^(E+R-1), and one whole step where the clamp moved the element.

    Args:
        tensor: int16 or int32 mantissas.
        bits: magnitude bits, 2 to 15.

    Returns:
        int16 mantissas.

    Raises:
        UsageError: bits outside 2..15.
    """
    check_bits(bits)
    limit = 2**bits - 1
    exponent = tensor.exponent + max(0, tensor.peak.bit_length() - bits)
    mantissa = np.clip(_shifted(tensor, exponent).mantissa, -limit, limit)
    return DfpTensor(mantissa.astype(np.int16), exponent)


def _shifted(tensor: DfpTensor, exponent: int) -> DfpTensor:
    """The tensor at a larger exponent, int64: round_half_even(I / 2^(exponent - E))."""
    wide: npt.NDArray[np.int64] = tensor.mantissa.astype(np.int64)
    shift = min(exponent - tensor.exponent, 40)  # of 31 bits, 40 leave none
    if shift <= 0:
        return DfpTensor(wide, exponent)
    quotient = wide >> shift
    rest, half = wide - (quotient << shift), 1 << (shift - 1)
    up = (rest > half) | ((rest == half) & (quotient & 1 == 1))
    return DfpTensor(quotient + up, exponent)
