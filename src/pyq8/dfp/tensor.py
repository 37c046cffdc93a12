"""Dynamic fixed point tensors: integers that share one exponent. The mathematics: docs/explanation/dfp.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyq8.errors import DataError, UsageError
from pyq8.types import Array

BITS = 15
"""Magnitude bits of a full int16; -32768 is never used."""
_FARTHEST = 5000
"""Exponents beyond it overflow, or vanish, in float64 whatever the 31 bits of the mantissa."""


@dataclass(frozen=True, eq=False)
class DfpTensor:
    """value = mantissa * 2^exponent.

    Args:
        mantissa: int16, or int32 between a product or sum and its `down_convert`; any shape.
        exponent: of all elements, any integer; nothing to an all-zero tensor.
    """

    mantissa: npt.NDArray[np.signedinteger[Any]]
    exponent: int

    @property
    def peak(self) -> int:
        """max|mantissa|, 0 of an empty tensor."""
        return max(int(np.max(self.mantissa, initial=0)), -int(np.min(self.mantissa, initial=0)))


def choose_exponent(peak: float, bits: int = BITS) -> int:
    """The exponent at which `peak` fills the magnitude bits: 2^(bits-1) <= peak / 2^E < 2^bits; 0 where peak is 0.

    Args:
        peak: max|x| of the tensor.
        bits: magnitude bits of the mantissa, 2 to 15.

    Raises:
        DataError: the peak is NaN or infinite.
        UsageError: bits outside 2..15.
    """
    check_bits(bits)
    if not math.isfinite(peak):
        raise DataError("a tensor holds NaN or infinity, which no fixed point number can be; look where they come from")
    return math.frexp(peak)[1] - bits if peak else 0


def quantize(x: Array, bits: int = BITS) -> DfpTensor:
    """round_half_even(x / 2^E), clamped to +-(2^bits - 1), E from max|x|.

    Every element is within 2^(E-1), half a step; one above (2^bits - 1/2) 2^E, which the clamp moves, within 2^E.
    `dequantize` of the result gives, in x's dtype, the exact value, and `quantize` of that the same integers.

    Args:
        x: float32 or float64, any shape.
        bits: magnitude bits, 2 to 15.

    Returns:
        int16 mantissas of x's shape.

    Raises:
        DataError: x holds NaN or infinity, or is not float32 or float64.
        UsageError: bits outside 2..15.
    """
    x = np.asarray(x)
    if x.dtype not in (np.float32, np.float64):
        raise DataError(f"a tensor of {x.dtype} has no DFP form; convert it to float32 first")
    exponent = choose_exponent(float(np.max(np.abs(x), initial=0)), bits)
    limit = 2**bits - 1
    steps = np.rint(np.ldexp(x, -exponent))
    return DfpTensor(np.clip(steps, -limit, limit).astype(np.int16), exponent)


def dequantize(tensor: DfpTensor, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[np.floating[Any]]:
    """mantissa * 2^exponent, rounded once where the dtype cannot hold it (to 0 below its smallest number).

    Raises:
        DataError: a value is beyond the dtype's largest.
    """
    exponent = max(-_FARTHEST, min(_FARTHEST, tensor.exponent))
    with np.errstate(over="ignore"):
        x = np.ldexp(tensor.mantissa.astype(np.float64), exponent).astype(dtype)
    if not np.all(np.isfinite(x)):
        raise DataError(f"{tensor.peak} * 2^{tensor.exponent} is beyond {np.dtype(dtype)}; take float64, or scale down")
    return x


def check_bits(bits: int) -> None:
    """Refuse widths that an int16 has not.

    Raises:
        UsageError: no whole number of bits, or outside 2..15.
    """
    if not isinstance(bits, int | np.integer) or not 2 <= bits <= BITS:
        raise UsageError(f"{bits} magnitude bits: an int16 mantissa has a whole number from 2 to {BITS}")
