"""Normalization of channels-last activations, ReLU and quantization in the same pass: compiled, or numpy elsewhere.

A partial sum is of ROWS rows, in FP32, row by row; partial sums are added in float64, in their order.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pyq8.kernels import library
from pyq8.kernels.arguments import address, compiled, demand, index, split_scale
from pyq8.kernels.memory import empty
from pyq8.kernels.reference import Float32, Int16

Float64 = npt.NDArray[np.float64]
ROWS = 128


@dataclass(frozen=True)
class Normalization:
    """y = (x - mean) * factor + shift, and max(y, 0) where `rectify`; NaN stays NaN.

    Args:
        mean: float32 [channels], like factor and shift.
        factor: of each channel.
        shift: of each channel.
        rectify: whether a ReLU follows.
    """

    mean: Float32
    factor: Float32
    shift: Float32
    rectify: bool

    def at(self, x: Float32) -> Float32:
        """y of x [..., channels], rounded after every operation as in the kernels."""
        y: Float32 = (x - self.mean) * self.factor + self.shift
        return np.where(y < 0, np.float32(0), y) if self.rectify else y


@dataclass(frozen=True)
class Mantissas:
    """The int16 form wanted of a result: round_half_even(v / 2^exponent), clamped to +-(2^bits - 1)."""

    exponent: int
    bits: int

    @property
    def factors(self) -> tuple[float, float]:
        """Two float32 numbers to multiply with."""
        return split_scale(math.ldexp(1.0, max(-250, min(250, -self.exponent))))


def moments(x: Float32) -> tuple[Float64, Float64, Float32, Float32]:
    """The mean, the biased variance, the smallest and the largest value of every channel.

    Args:
        x: float32 [rows, channels], at least one row.

    Returns:
        float64 mean and variance, float32 minimum and maximum, all [channels]; the mean is not finite where x holds NaN
        or infinity.
    """
    demand("x", x, np.float32, x.shape)
    rows, channels = x.shape
    isa = library.chosen()
    if isa == library.REFERENCE:
        deviation = x - x[0]
        sums = np.stack([_sum(deviation), _sum(deviation * deviation), x.min(axis=0), x.max(axis=0)])
    else:
        sums = np.empty((4, channels))
        _checked(compiled().pyq8_moments(index(isa), address(x), rows, channels, address(sums)), x)
    shift = sums[0] / rows
    variance = np.maximum(sums[1] / rows - shift * shift, 0.0)
    return x[0] + shift, variance, sums[2].astype(np.float32), sums[3].astype(np.float32)


def normalize(
    x: Float32, norm: Normalization, *, real: bool = True, mantissas: Mantissas | None = None
) -> tuple[Float32 | None, Int16 | None]:
    """y in FP32, in int16, or both.

    Args:
        x: float32 [rows, channels].
        norm: how.
        real: whether the FP32 result is wanted.
        mantissas: the int16 result that is wanted.
    """
    demand("x", x, np.float32, x.shape)
    isa = library.chosen()
    if isa == library.REFERENCE:
        exact = norm.at(x)
        return exact if real else None, _quantized(exact, mantissas)
    y, q = _results(x.shape, real, mantissas)
    compiled().pyq8_normalize(index(isa), _CNorm.of(x, norm, mantissas), address(x), *_addresses(y, q))
    return y, q


def backward_sums(dy: Float32, x: Float32, norm: Normalization) -> tuple[Float64, Float64, Float32, Float32]:
    """Sums over the rows of g and of g * (x - mean), and the largest |g| and |x - mean|; g is dy behind the ReLU.

    Where g or x holds NaN the second sum is NaN; the largest may pass over it.

    Args:
        dy: float32 [rows, channels], the gradient of y.
        x: float32 [rows, channels].
        norm: how y was made.

    Returns:
        float64, float64, float32 and float32 [channels].
    """
    demand("x", x, np.float32, x.shape)
    demand("dy", dy, np.float32, x.shape)
    isa = library.chosen()
    if isa == library.REFERENCE:
        g, centred = _behind(dy, x, norm), x - norm.mean
        sums = np.stack([_sum(g), _sum(g * centred), np.abs(g).max(axis=0), np.abs(centred).max(axis=0)])
    else:
        sums = np.empty((4, x.shape[1]))
        arguments = address(dy), address(x), address(sums)
        _checked(compiled().pyq8_norm_backward_sums(index(isa), _CNorm.of(x, norm), *arguments), x)
    return sums[0], sums[1], sums[2].astype(np.float32), sums[3].astype(np.float32)


def backward(
    dy: Float32,
    x: Float32,
    norm: Normalization,
    k1: Float32,
    k2: Float32,
    *,
    real: bool = True,
    mantissas: Mantissas | None = None,
) -> tuple[Float32 | None, Int16 | None]:
    """dx = ((g - k1) - (x - mean) * k2) * factor in FP32, in int16, or both.

    Args:
        dy: float32 [rows, channels], the gradient of y.
        x: float32 [rows, channels].
        norm: how y was made.
        k1: float32 [channels]: the mean of g, or 0 where the mean is no function of x.
        k2: float32 [channels]: the mean of g * (x - mean) over the variance + epsilon, or 0 likewise.
        real: whether the FP32 result is wanted.
        mantissas: the int16 result that is wanted.
    """
    demand("x", x, np.float32, x.shape)
    demand("dy", dy, np.float32, x.shape)
    isa = library.chosen()
    if isa == library.REFERENCE:
        exact = ((_behind(dy, x, norm) - k1) - (x - norm.mean) * k2) * norm.factor
        return exact if real else None, _quantized(exact, mantissas)
    dx, q = _results(x.shape, real, mantissas)
    arguments = [address(array) for array in (dy, x, k1, k2)]
    compiled().pyq8_norm_backward(index(isa), _CNorm.of(x, norm, mantissas), *arguments, *_addresses(dx, q))
    return dx, q


class _CNorm(ctypes.Structure):
    """Pyq8Norm of csrc/int16/normalization.h."""

    _fields_ = (
        ("rows", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        ("mean", ctypes.c_void_p),
        ("factor", ctypes.c_void_p),
        ("shift", ctypes.c_void_p),
        ("rectify", ctypes.c_int32),
        ("limit", ctypes.c_int32),
        ("scale", ctypes.c_float * 2),
    )

    @classmethod
    def of(cls, x: Float32, norm: Normalization, mantissas: Mantissas | None = None) -> Any:
        """A reference to the structure of a call; the arrays of `norm` must outlive it."""
        for name in ("mean", "factor", "shift"):
            demand(name, getattr(norm, name), np.float32, x.shape[1:])
        factors = (ctypes.c_float * 2)(*(mantissas.factors if mantissas else (1.0, 1.0)))
        arrays = (address(norm.mean), address(norm.factor), address(norm.shift))
        limit = 2**mantissas.bits - 1 if mantissas else 0
        return ctypes.byref(cls(*x.shape, *arrays, norm.rectify, limit, factors))


def _results(shape: tuple[int, ...], real: bool, mantissas: Mantissas | None) -> tuple[Float32 | None, Int16 | None]:
    return empty(shape, np.float32) if real else None, empty(shape, np.int16) if mantissas else None


def _addresses(*arrays: npt.NDArray[Any] | None) -> Iterator[ctypes.c_void_p]:
    return (ctypes.c_void_p(None if array is None else address(array)) for array in arrays)


def _behind(dy: Float32, x: Float32, norm: Normalization) -> Float32:
    """dy where the ReLU let y, or NaN, through, 0 elsewhere."""
    return np.where(norm.at(x) <= 0, np.float32(0), dy) if norm.rectify else dy


def _quantized(v: Float32, mantissas: Mantissas | None) -> Int16 | None:
    if mantissas is None:
        return None
    limit = 2**mantissas.bits - 1
    first, second = (np.float32(factor) for factor in mantissas.factors)
    whole: Int16 = np.clip(np.rint(v * first * second), -limit, limit).astype(np.int16)
    return whole


def _sum(x: Float32) -> Float64:
    """Over the rows: FP32 within ROWS rows, float64 between."""
    total = np.zeros(x.shape[1])
    for first in range(0, len(x), ROWS):
        total += np.cumsum(x[first : first + ROWS], axis=0, dtype=np.float32)[-1]
    return total


def _checked(code: int, x: Float32) -> None:
    if code:
        raise MemoryError(f"pyq8.kernels: no memory for the sums of {list(x.shape)}")
