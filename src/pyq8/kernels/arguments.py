"""What every operator does with its arguments: check arrays, pass numbers and addresses to C."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from pyq8.errors import DataError
from pyq8.kernels import library
from pyq8.kernels.chain import LIMIT

Array = npt.NDArray[Any]


def shape_of(name: str, array: Array, rank: int) -> tuple[int, ...]:
    """Its shape.

    Raises:
        DataError: it has another number of axes.
    """
    if array.ndim != rank:
        raise DataError(f"{name} of shape {list(array.shape)}: it takes {rank} axes")
    return array.shape


def demand(name: str, array: Array, dtype: type, shape: tuple[int, ...]) -> None:
    """Of this type and shape, and C-contiguous.

    Raises:
        DataError: it is not.
    """
    if array.dtype != dtype or array.shape != shape:
        raise DataError(f"{name} is {array.dtype} {list(array.shape)}: it takes {np.dtype(dtype)} {list(shape)}")
    if not array.flags.c_contiguous:
        raise DataError(f"{name} is not C-contiguous; give numpy.ascontiguousarray of it")


def bound_of(x: Array) -> int:
    """max|x| of int16 numbers.

    Raises:
        DataError: one is -32768, two products of which INT32 does not hold.
    """
    isa = library.chosen()
    if isa == library.REFERENCE:
        bound = max(int(x.max(initial=0)), -int(x.min(initial=0)))
    else:
        bound = int(compiled().pyq8_absmax16(index(isa), address(x), x.size))
    if bound > LIMIT:
        raise DataError(f"a mantissa is -32768: they go to +-{LIMIT}, as pyq8.kernels.quantize makes them")
    return bound


def kept(result: Array, out: Array | None) -> Array:
    """The result, in `out` where one is given."""
    if out is None:
        return result
    out[...] = result
    return out


def split_scale(scale: float) -> tuple[float, float]:
    """Two float32 numbers whose product is the scale: itself and 1 where it fits, else the second a power of two."""
    if scale == 0 or 2.0**-126 <= abs(scale) < 2.0**127:
        return scale, 1.0
    mantissa, exponent = math.frexp(scale)
    return math.ldexp(mantissa, exponent // 2), math.ldexp(1.0, exponent - exponent // 2)


def compiled() -> ctypes.CDLL:
    """The library, which is there where an instruction set of it was chosen."""
    loaded, reason = library.load()
    assert loaded is not None, reason
    return loaded


def index(isa: str) -> int:
    """Its number in C."""
    return library.names().index(isa)


def address(array: Array) -> int:
    """Of its first element."""
    return array.ctypes.data
