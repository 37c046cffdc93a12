"""What every layer of a region computes, in numpy: exact, slow, and what the compiled kernels equal bit for bit.

Images are uint8 of shape (N, H, W, C). Products are summed in INT32, which wraps; all that follows is float32, rounded
after every operation, in the order that is written here; `fma` rounds once. Each formula is that of the ONNX Runtime
kernel that the layer stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pyq8.types import Array

Scalar = float | np.float32


class Window(NamedTuple):
    """Where a kernel goes, as the fields of a layer say it."""

    r: int
    s: int
    stride_h: int = 1
    stride_w: int = 1
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    dilation_h: int = 1
    dilation_w: int = 1

    def size(self, h: int, w: int, ceil: bool = False) -> tuple[int, int]:
        """Of the result for an image of h x w; with `ceil`, a last window that is cut short counts too."""
        rows = _along(h, self.top, self.bottom, self.r, self.stride_h, self.dilation_h, ceil)
        return rows, _along(w, self.left, self.right, self.s, self.stride_w, self.dilation_w, ceil)

    def taps(self, x: Array, fill: int, ceil: bool = False) -> Iterator[tuple[int, int, Array]]:
        """Row and column in the kernel, and the pixels (N, H', W', C) under it; outside of the image `fill`."""
        rows, columns = self.size(x.shape[1], x.shape[2], ceil)
        more = [(self.top, self.bottom + self.stride_h), (self.left, self.right + self.stride_w)]
        padded = np.pad(x, ((0, 0), *more, (0, 0)), constant_values=fill)
        for i in range(self.r):
            for j in range(self.s):
                top, left = i * self.dilation_h, j * self.dilation_w
                down, across = (rows - 1) * self.stride_h + 1, (columns - 1) * self.stride_w + 1
                yield i, j, padded[:, top : top + down : self.stride_h, left : left + across : self.stride_w]


def _along(size: int, before: int, behind: int, kernel: int, stride: int, dilation: int, ceil: bool) -> int:
    left = size + before + behind - dilation * (kernel - 1) - 1
    count = left // stride + 1
    return count + (ceil and left % stride > 0 and count * stride < size + before)


def fma(a: Array | Scalar, b: Array | Scalar, c: Array | Scalar) -> Array:
    """float32(a * b + c), rounded once.

    The product is exact in float64. Their sum is rounded to odd there, which keeps what the second rounding needs.
    """
    product = np.asarray(a, np.float64) * np.asarray(b, np.float64)
    other = np.broadcast_to(np.asarray(c, np.float64), product.shape)
    total = product + other
    virtual = total - product
    error = (product - (total - virtual)) + (other - virtual)
    even = (total.view(np.int64) & 1) == 0
    odd = np.where((error != 0) & even, np.nextafter(total, np.where(error > 0, np.inf, -np.inf)), total)
    rounded: Array = odd.astype(np.float32)
    return rounded


def saturate(value: Array, zero: int) -> Array:
    """round(value) + zero within 0 ... 255, half to even; what is no number is 0."""
    clipped = np.fmin(np.fmax(value, np.float32(-zero)), np.float32(255 - zero))
    codes: Array = (np.rint(clipped) + zero).astype(np.uint8)
    return codes


def quantize(x: Array, scale: Scalar, zero: int) -> Array:
    """Codes of float32 numbers."""
    return saturate(x / np.float32(scale), zero)


def dequantize(x: Array, zero: int, scale: Scalar) -> Array:
    """(code - zero) * scale, float32."""
    real: Array = (x.astype(np.int32) - zero).astype(np.float32) * np.float32(scale)
    return real


def convolve(x: Array, fill: int, weight: Array, bias: Array, window: Window, groups: int) -> Array:
    """The sums of a convolution.

    Args:
        x: codes.
        fill: the code of what is outside of the image, its zero point.
        weight: int8, shape (K, C / groups, R, S).
        bias: int32, shape (K,); with what the zero point of x takes away.
        window: the kernel is that of the weight.
        groups: of channels.

    Returns:
        int32, shape (N, H', W', K).
    """
    n, (rows, columns) = len(x), window.size(x.shape[1], x.shape[2])
    of_group = weight.reshape(groups, -1, *weight.shape[1:]).astype(np.float64)
    total = np.zeros((n, rows, columns, groups, of_group.shape[1]))  # integers below 2^53
    for i, j, tap in window.taps(x, fill):
        pixels = tap.reshape(n, rows, columns, groups, -1).astype(np.float64)
        total += np.einsum("nhwgc,gkc->nhwgk", pixels, of_group[..., i, j], optimize=True)
    sums: Array = (total.reshape(n, rows, columns, -1).astype(np.int64) + bias).astype(np.int32)
    return sums


def scaled(sums: Array, scale: Array) -> Array:
    """What a convolution rounds: shape (..., K), scale (K,)."""
    real: Array = sums.astype(np.float32) * scale.astype(np.float32)
    return real


def add(a: Array, b: Array, numbers: Array) -> Array:
    """Codes of a sum. Numbers: scale_a, scale_b, fixed; a convolution's result is one of the two (see `conv_add`)."""
    inner = fma(b.astype(np.float32), numbers[1], numbers[2])
    return saturate(fma(a.astype(np.float32), numbers[0], inner), 0)


def conv_add(value: Array, other: Array, numbers: Array) -> Array:
    """The sum behind a convolution. Numbers: those of `add`, the zero point of its result, whether `other` is a."""
    mine = saturate(value, int(numbers[3]))
    return add(other, mine, numbers) if numbers[4] else add(mine, other, numbers)


def other_codes(value: Array, numbers: Array, zero: int) -> Array:
    """A convolution's codes as those of a concatenation. Numbers: zero point, scale, scale of the whole."""
    code = saturate(value, int(numbers[0])).astype(np.float32)
    return saturate((code - numbers[0]) * numbers[1] / numbers[2], zero)


def multiply(a: Array, b: Array, zeros: tuple[int, int], scale: Scalar, zero: int) -> Array:
    """Codes of a product; the zero point is added before rounding."""
    product = (a.astype(np.int32) - zeros[0]) * (b.astype(np.int32) - zeros[1])
    return saturate(product.astype(np.float32) * np.float32(scale) + np.float32(zero), 0)


def normalize(x: Array, zeros: tuple[int, int], scales: tuple[Scalar, Scalar, Scalar], weights: Array) -> Array:
    """Codes of pixels over their length, times weights (C,). Scales: of x, the least length, that of the codes."""
    x_scale, least, y_scale = (np.float32(s) for s in scales)
    squares = ((x.astype(np.int64) - zeros[0]) ** 2).sum(3, keepdims=True)
    length = np.maximum(x_scale * np.sqrt(squares.astype(np.float32)), least)
    return saturate(dequantize(x, zeros[0], x_scale) / length * weights / y_scale, zeros[1])


def move(x: Array, block: int, channels_first: bool, grow: tuple[int, int, int, int]) -> Array:
    """Blocks of pixels laid out; then the edge repeated, or cut off: top, left, bottom, right."""
    n, h, w, channels = x.shape
    order = (0, 1, 4, 2, 5, 3) if channels_first else (0, 1, 3, 2, 4, 5)
    parts = (-1, block, block) if channels_first else (block, block, -1)
    laid = x.reshape(n, h, w, *parts).transpose(order).reshape(n, h * block, w * block, channels // block**2)
    top, left, bottom, right = grow
    rows, columns = (
        np.arange(-a, size + b).clip(0, size - 1) for a, b, size in ((top, bottom, h * block), (left, right, w * block))
    )
    moved: Array = laid[:, rows][:, :, columns]
    return moved


def max_pool(x: Array, window: Window, ceil: bool) -> Array:
    """The largest code; 0 where no pixel is under the kernel."""
    taps = [tap for *_, tap in window.taps(x, 0, ceil)]
    most: Array = np.max(taps, axis=0)
    return most


def average_pool(x: Array, zeros: tuple[int, int], scales: tuple[Scalar, Scalar], window: Window, ceil: bool,
                 count_all: bool) -> Array:  # fmt: skip
    """The sum of real numbers, tap by tap, over their count, over the scale, plus the zero point."""
    inside = [tap for *_, tap in window.taps(np.ones_like(x[..., :1]), 0, ceil)]
    count = np.float32(window.r * window.s) if count_all else np.maximum(np.sum(inside, axis=0), 1).astype(np.float32)
    total = np.zeros((*inside[0].shape[:3], x.shape[3]), np.float32)
    for *_, tap in window.taps(x, zeros[0], ceil):
        total += dequantize(tap, zeros[0], scales[0])
    return saturate(total / count / np.float32(scales[1]) + np.float32(zeros[1]), 0)


def global_average_pool(x: Array, zeros: tuple[int, int], scales: tuple[Scalar, Scalar]) -> Array:
    """INT32 sums times one factor."""
    sums = x.astype(np.int64).sum((1, 2), keepdims=True) - zeros[0] * x.shape[1] * x.shape[2]
    factor = np.float32(scales[0]) / (np.float32(scales[1]) * np.float32(x.shape[1] * x.shape[2]))
    return saturate(sums.astype(np.float32) * factor, zeros[1])
