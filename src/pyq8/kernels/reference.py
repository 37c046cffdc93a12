"""The kernels in numpy: exact, slow, and what the compiled ones equal bit for bit.

An element of a result is a sum of products of int16 numbers. Its value is defined by their order and by `chain`:

    sum_i  = the products i * chain ... (i + 1) * chain - 1, exact
    total  = float32(sum_0) + float32(sum_1) + ...                       rounded after every addition, from the left
    result = (total * scale[0]) * scale[1] + bias                        rounded after every operation

The order of the products:

    conv_forward          over the kernel's rows, its columns, the input channels of the group
    conv_backward_data    the same with output channels, over those rows and columns that meet the pixel at its stride
    conv_backward_weight  over the output pixels (image, row, column); a chain ends with every block of 1024 pixels
    gemm                  over the columns

where an odd number of channels counts as one more, of zeros, and what is padding counts as products with zero. Where no
chain is given it is `safe_chain` of the weights of all groups (for backward data: of each phase of the stride; for the
weight's gradient: of each block of dy).

Sums are float64 products of matrices: all their terms are integers below 2^53, so nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pyq8.kernels.chain import INT32_MAX, safe_chain
from pyq8.kernels.geometry import Conv

Int16 = npt.NDArray[np.int16]
Float32 = npt.NDArray[np.float32]
Scale = tuple[np.float32, np.float32]
Places = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]

BLOCK = 1024
"""Pixels after which a chain of the weight's gradient ends."""


@dataclass
class Numbers:
    """How the sums are formed.

    Args:
        scale: the two factors of the result.
        chain: products, even; None for the longest proven safe.
        bound: of the other operand's magnitudes, for the proof.
        overflows: counts the chains that INT32 does not hold.
    """

    scale: Scale
    chain: int | None
    bound: int
    overflows: int = 0


def conv_forward(conv: Conv, numbers: Numbers, x: Int16, w: Int16, bias: Float32 | None) -> Float32:
    """Float32 [n, ho, wo, k] from x [n, h, w, c] and w [k, r, s, c / groups]."""
    taps = [(r, s) for r in range(conv.r) for s in range(conv.s)]
    offsets = [(r * conv.dilation[0] - conv.padding[0], s * conv.dilation[1] - conv.padding[1]) for r, s in taps]
    rows, cols = np.arange(conv.ho) * conv.stride[0], np.arange(conv.wo) * conv.stride[1]
    weights = np.concatenate([_even(w[:, r, s]) for r, s in taps], axis=1)
    return _convolve(conv, numbers, x, [(rows + dy, cols + dx) for dy, dx in offsets], weights, bias)


def conv_backward_data(conv: Conv, numbers: Numbers, dy: Int16, w: Int16) -> Float32:
    """Float32 [n, h, w, c] from dy [n, ho, wo, k] and w [k, r, s, c / groups]."""
    out = np.zeros(conv.x_shape, dtype=np.float32)
    # [c, r, s, k / groups]: within every group, input and output channels change places.
    swapped = w.reshape(conv.groups, -1, *w.shape[1:]).swapaxes(1, 4).reshape(conv.c, conv.r, conv.s, -1)
    for y, x, taps in _phases(conv):
        if taps:
            rows = np.arange(len(range(y, conv.h, conv.stride[0])))
            cols = np.arange(len(range(x, conv.w, conv.stride[1])))
            places = [(rows + row, cols + col) for _, _, row, col in taps]
            weights = np.concatenate([_even(swapped[:, r, s]) for r, s, _, _ in taps], axis=1)
            out[:, y :: conv.stride[0], x :: conv.stride[1]] = _convolve(conv, numbers, dy, places, weights, None)
    return out


def conv_backward_weight(conv: Conv, numbers: Numbers, x: Int16, dy: Int16) -> Float32:
    """Float32 [k, r, s, c / groups] from x [n, h, w, c] and dy [n, ho, wo, k]."""
    out = np.empty(conv.w_shape, dtype=np.float32)
    gradient = np.ascontiguousarray(dy.reshape(-1, conv.k).T)
    blocks = [slice(first, first + BLOCK) for first in range(0, gradient.shape[1], BLOCK)]
    chains = [numbers.chain or safe_chain(numbers.bound, gradient[:, block]) for block in blocks]
    for r, s in np.ndindex(conv.r, conv.s):
        rows = np.arange(conv.ho) * conv.stride[0] + r * conv.dilation[0] - conv.padding[0]
        cols = np.arange(conv.wo) * conv.stride[1] + s * conv.dilation[1] - conv.padding[1]
        values = _pixels(x, rows, cols).T
        for inputs, outputs in _groups(conv.c, conv.k, conv.groups):
            total = np.zeros((len(gradient[outputs]), len(values[inputs])), dtype=np.float32)
            for block, chain in zip(blocks, chains, strict=True):
                total = _add_chains(numbers, total, gradient[outputs, block], values[inputs, block], chain)
            out[outputs, r, s] = _finish(numbers, total, None)
    return out


def quantize(x: Float32, exponent: int, bits: int) -> Int16:
    """round_half_even(x / 2^exponent), clamped to +-(2^bits - 1)."""
    limit = 2**bits - 1
    with np.errstate(invalid="ignore"):  # what is not finite, absmax finds
        return np.clip(np.rint(np.ldexp(x.astype(np.float64), -exponent)), -limit, limit).astype(np.int16)


def absmax(x: Float32) -> float:
    """max|x|, NaN where x holds NaN."""
    return float(np.max(np.abs(x), initial=0))


def _phases(conv: Conv) -> Iterator[tuple[int, int, list[tuple[int, int, int, int]]]]:
    """(y, x) below the strides, and the (r, s) that reach the pixels (y, x) + i * stride, with their offsets in dy."""
    for y in range(min(conv.stride[0], conv.h)):
        for x in range(min(conv.stride[1], conv.w)):
            taps = []
            for r in range(conv.r):
                for s in range(conv.s):
                    row, row_rest = divmod(y + conv.padding[0] - r * conv.dilation[0], conv.stride[0])
                    col, col_rest = divmod(x + conv.padding[1] - s * conv.dilation[1], conv.stride[1])
                    if not row_rest and not col_rest:
                        taps.append((r, s, row, col))
            yield y, x, taps


def _groups(a: int, b: int, groups: int) -> Iterator[tuple[slice, slice]]:
    """The channels of every group, of a and of b in all."""
    for group in range(groups):
        yield (
            slice(group * a // groups, (group + 1) * a // groups),
            slice(group * b // groups, (group + 1) * b // groups),
        )


def _pixels(x: Int16, rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp]) -> Int16:
    """x[:, rows, cols] as [pixels, channels], zeros outside of the image."""
    _, h, w, channels = x.shape
    inside = ((rows >= 0) & (rows < h))[:, None] & ((cols >= 0) & (cols < w))
    picked: Int16 = x[:, rows.clip(0, h - 1)][:, :, cols.clip(0, w - 1)] * inside[:, :, None].astype(np.int16)
    return picked.reshape(-1, channels)


def _even(x: Int16) -> Int16:
    """[rows, channels], a channel of zeros added to an odd number of them."""
    return np.pad(x, ((0, 0), (0, x.shape[1] % 2)))


def _convolve(
    conv: Conv, numbers: Numbers, x: Int16, places: list[Places], weights: Int16, bias: Float32 | None
) -> Float32:
    """Float32 [n, rows, cols, outputs] from the pixels of x at the rows and columns of every tap, in their order.

    weights: [outputs, taps * channels of a group].
    """
    chain = numbers.chain or safe_chain(numbers.bound, weights)
    pixels = [_pixels(x, *place) for place in places]
    out = np.empty((len(pixels[0]), len(weights)), dtype=np.float32)
    for inputs, outputs in _groups(x.shape[3], len(weights), conv.groups):
        values = np.concatenate([_even(tap[:, inputs]) for tap in pixels], axis=1)
        total = np.zeros((len(values), len(weights[outputs])), dtype=np.float32)
        total = _add_chains(numbers, total, values, weights[outputs], chain)
        out[:, outputs] = _finish(numbers, total, None if bias is None else bias[outputs])
    return out.reshape(len(x), len(places[0][0]), len(places[0][1]), -1)


def _add_chains(numbers: Numbers, total: Float32, a: Int16, b: Int16, chain: int) -> Float32:
    """total + a @ b.T, chain by chain."""
    for first in range(0, a.shape[1], chain):
        part = slice(first, first + chain)
        sums = a[:, part].astype(np.float64) @ b[:, part].astype(np.float64).T
        numbers.overflows += int(np.count_nonzero((sums > INT32_MAX) | (sums < -INT32_MAX - 1)))
        total = total + sums.astype(np.float32)
    return total


def _finish(numbers: Numbers, total: Float32, bias: Float32 | None) -> Float32:
    result = (total * numbers.scale[0]) * numbers.scale[1]
    return result if bias is None else result + bias
