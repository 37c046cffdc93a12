"""All the arithmetic of affine quantization: real = scale * (q - zero_point).

Every scale chosen here lies in [2^-63, float32 max / 256]: the product of two of them, the scale of
a bias, is then a normal float32, and the real value of every code is finite.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyq8.types import INT8, UINT8, Array, QParams, QType

ROUNDED = 1e-6
"""What float32 leaves of a ratio of whole numbers, relative."""
FEW = 64
"""Weights of a channel of which it is worth asking whether they are whole multiples of one number."""
SMALLEST_SCALE = 2.0**-63
LARGEST_SCALE = float(np.finfo(np.float32).max) / 256
BIAS_LIMIT = 2**30
"""Half of int32; the other half is left to the accumulator, 2^30 / (255 * 127) = 33,155 products."""


def choose_qparams(low: float, high: float, qtype: QType = UINT8) -> QParams:
    """Asymmetric parameters, one scale a tensor, that represent 0 exactly.

        low, high  = min(low, 0), max(high, 0)
        scale      = (high - low) / (qmax - qmin), rounded UP to float32
        zero_point = round_half_even(qmin - low / scale)

    Rounding the scale up is what keeps both ends covered: the zero point moves the range by half a
    step at most, so low and high are within half a step of it (a scale rounded down loses a little
    more at the top). A scale stays within [2^-63, float32 max / 256]: smaller ranges become zero,
    ranges of more than 255/256 float32 max saturate. The empty range (0, 0) gets scale 1.

    >>> print(choose_qparams(-1.0, 3.0))
    uint8 [-1.004, 2.996] zero_point=64
    >>> print(choose_qparams(0.5, 3.0))
    uint8 [0, 3] zero_point=0

    Args:
        low: smallest real value.
        high: largest real value.
        qtype: the integer type; with low >= 0 its qmin is the zero point.

    Raises:
        ValueError: low or high is not finite, or low > high.
    """
    low, high = float(low), float(high)
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(f"no quantization range: [{low}, {high}]")
    low, high = min(low, 0.0), max(high, 0.0)
    levels = qtype.qmax - qtype.qmin
    step = high / levels - low / levels  # a difference of quotients: high - low may overflow
    scale = _round_up(np.asarray(np.clip(step, SMALLEST_SCALE, LARGEST_SCALE) if step > 0 else 1.0))
    zero_point = np.clip(np.rint(qtype.qmin - low / float(scale)), qtype.qmin, qtype.qmax)
    return QParams(scale, np.asarray(zero_point, dtype=np.int32), qtype)


def choose_weight_qparams(
    weight: Array, axis: int | None, qtype: QType = INT8, floor: npt.ArrayLike | None = None
) -> QParams:
    """Symmetric parameters of a weight: scale_c = max(max|w_c| / qmax, floor_c), zero_point 0.

    A channel of zeros gets its floor, or 1 where there is none. Where all are whole multiples of one number, as
    those of an interpolation are, that is the scale: no weight is rounded.

    Args:
        weight: float, the channels along `axis`.
        axis: the channel axis; None for one scale a tensor.
        qtype: the integer type.
        floor: (C,) lower bounds of the scales, see `bias_floor`.

    Raises:
        ValueError: the weight is not finite.
    """
    if axis is not None:
        axis %= weight.ndim
    others = None if axis is None else tuple(i for i in range(weight.ndim) if i != axis)
    peak = np.max(np.abs(weight), axis=others, initial=0).astype(np.float64)
    if not np.all(np.isfinite(peak)):
        raise ValueError("the weight holds values that are not finite")
    wanted = peak / qtype.qmax
    if floor is not None:
        wanted = np.maximum(wanted, np.asarray(floor, dtype=np.float64))
    scale = np.clip(np.where(wanted > 0, wanted, 1.0), SMALLEST_SCALE, LARGEST_SCALE)
    scale = np.maximum(scale, np.where((unit := _unit(weight, axis, qtype.qmax)) >= wanted, unit, 0))
    return QParams(_round_up(scale), np.zeros(scale.shape, dtype=np.int32), qtype, axis)


def quantize(x: Array, qparams: QParams) -> Array:
    """ONNX QuantizeLinear: q = clip(round_half_even(x / scale) + zero_point, qmin, qmax).

    The division is float32. The range is the qtype's: the whole of uint8, -127..127 of int8.

    >>> quantize(np.array([-9, 0, 1.5, 3], np.float32), choose_qparams(-1.0, 3.0))
    array([  0,  64, 160, 255], dtype=uint8)

    Args:
        x: real values, any shape.
        qparams: of an 8 or 16 bit type.

    Returns:
        An array of the qtype's dtype, x's shape.

    Raises:
        ValueError: x holds NaN, or the qtype is wider (see `quantize_bias`).
    """
    qtype = qparams.qtype
    if qtype.qmax - qtype.qmin >= 2**16:
        raise ValueError(f"quantize() is for 8 and 16 bits, not {qtype.name}")
    with np.errstate(over="ignore"):  # an infinite quotient saturates like any other
        q = np.divide(x, _along_axis(qparams.scale, x, qparams), dtype=np.float32)
    if np.isnan(q).any():
        raise ValueError("cannot quantize NaN")
    q = np.rint(q) + _along_axis(qparams.zero_point, x, qparams).astype(np.float32)
    return np.clip(q, qtype.qmin, qtype.qmax).astype(qtype.dtype)


def dequantize(q: Array, qparams: QParams) -> npt.NDArray[np.float32]:
    """ONNX DequantizeLinear: x = float32(q - zero_point) * scale, the subtraction in int32.

    >>> dequantize(np.array([0, 64, 255], np.uint8), choose_qparams(0.0, 255.0))
    array([  0.,  64., 255.], dtype=float32)
    """
    centred = q.astype(np.int32) - _along_axis(qparams.zero_point, q, qparams)
    x: npt.NDArray[np.float32] = centred.astype(np.float32) * _along_axis(qparams.scale, q, qparams)
    return x


def bias_scale(x: QParams, w: QParams) -> npt.NDArray[np.float32]:
    """The scale of a bias and of the accumulator it starts: float32(scale_x * scale_w), () or (C,)."""
    return np.asarray(x.scale * w.scale, dtype=np.float32)


def quantize_bias(bias: Array, scale: npt.ArrayLike) -> npt.NDArray[np.int32]:
    """Bias in units of the accumulator: round_half_even(bias / scale), in float64.

    Args:
        bias: float (C,).
        scale: float32 () or (C,), from `bias_scale`.

    Raises:
        ValueError: a value is not finite or does not fit int32; nothing is ever clipped.
    """
    q = np.rint(np.asarray(bias, dtype=np.float64) / np.asarray(scale, dtype=np.float64))
    if not np.all(np.abs(q) < 2**31):
        worst = int(np.argmax(np.nan_to_num(np.abs(q), nan=np.inf)))
        raise ValueError(f"bias {np.ravel(bias)[worst]:g} of channel {worst} does not fit int32 at its scale")
    return q.astype(np.int32)


def bias_floor(bias: Array, x_scale: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Smallest weight scales at which `|bias| / (x_scale * w_scale) <= 2^30`, so that no sum overflows.

    Rounded up by four parts in 2^24, which makes it hold for the float32 product of the scales too.

    Args:
        bias: float (C,).
        x_scale: float32 (), the scale of the input.
    """
    exact = np.abs(np.asarray(bias, dtype=np.float64)) / (np.asarray(x_scale, dtype=np.float64) * BIAS_LIMIT)
    return _round_up(exact * (1 + 2.0**-22))


def _unit(weight: Array, axis: int | None, qmax: int) -> npt.NDArray[np.float64]:
    """The largest number of which all weights of a channel are whole multiples up to qmax; 0 where there is none.

    Nor where all are of one magnitude, which any scale keeps, or for channels of more than FEW weights.
    """
    rows = np.abs(weight.astype(np.float64).reshape(1, -1) if axis is None else np.moveaxis(weight, axis, 0))
    rows = rows.reshape(len(rows), -1)
    unit = np.zeros(len(rows))
    if 1 < rows.shape[1] <= FEW:
        peak = rows.max(axis=1, keepdims=True)
        differ = np.any((rows > 0) & (rows < peak), axis=1)
        for count in range(qmax, 1, -1):  # the largest weight, in units
            multiples = rows * (count / np.where(peak > 0, peak, 1))
            whole = np.all(np.abs(multiples - np.rint(multiples)) <= ROUNDED * multiples, axis=1)
            unit = np.where(whole & differ, peak[:, 0] / count, unit)
    found: npt.NDArray[np.float64] = unit.reshape(()) if axis is None else unit
    return found


def _along_axis(values: Array, x: Array, qparams: QParams) -> Array:
    """(C,) values shaped to broadcast along x's channel axis; () values as they are."""
    if qparams.axis is None:
        return values
    return values.reshape([-1 if i == qparams.axis % x.ndim else 1 for i in range(x.ndim)])


def _round_up(exact: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The smallest float32 not below the float64 value."""
    near = exact.astype(np.float32)
    return np.asarray(np.where(near < exact, np.nextafter(near, np.float32(np.inf)), near), dtype=np.float32)
