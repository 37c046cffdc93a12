"""Convolutions and matrix products: u8 x s8 summed in 32 bits, then scaled and rounded.

Scales are powers of two, so that the float32 product with the sum is exact and every tie is one in every kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyq8.doctor.case import KERNELS, MICROSOFT, Case, clip, codes, scalar, zero
from pyq8.saturation import adds_pairs, kernel_order, project, undo_kernel_order
from pyq8.types import Array

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 20, 24, 31, 32, 33, 48, 63, 64, 65)
"""Remainders of every width of vector and tile."""
PIXELS = (1, 2, 3, 5, 6, 7, 9, 13, 14, 15, 17)


def convolution(
    rng: np.random.Generator, safe: bool, inside: int, out: int, size: tuple[int, int], kernel: int = 1,
    stride: int = 1, groups: int = 1,
) -> Case:  # fmt: skip
    """A QLinearConv, padded by half of its kernel.

    Args:
        rng: draws codes and weights.
        safe: see `Cases`.
        inside: channels of the input.
        out: of the output.
        size: height and width of the input.
        kernel: taps along each axis.
        stride: along each axis.
        groups: both numbers of channels are multiples of it.
    """
    x = codes(rng, 1, inside, *size)
    shape = (out, inside // groups, kernel, kernel)
    w = _weights(rng, shape, safe and adds_pairs("Conv", shape, groups))
    sums = _convolve(x.astype(np.int64) - (z := int(rng.integers(256))), w.astype(np.int64), stride, groups)
    bias = rng.integers(-5000, 5000, out)
    sums += bias[:, None, None]
    scales, factor, middle = _scales(sums, out)
    inputs = (x, scalar(1), zero(z), w, scales, np.zeros(out, np.int8), scalar(1), zero(middle), bias.astype(np.int32))
    pads = [kernel // 2] * 4
    attributes = {"pads": pads, "strides": [stride] * 2, "group": groups, "kernel_shape": [kernel] * 2}
    expected = clip(sums.astype(np.float32) * factor[:, None, None], middle)
    return Case("QLinearConv", "", inputs, (0,), expected, attributes)


def gemm(rng: np.random.Generator, safe: bool, rows: int, inside: int, out: int) -> Case:
    """A QGemm with one scale for each output."""
    x, w = codes(rng, rows, inside), _weights(rng, (out, inside), safe)
    bias = rng.integers(-5000, 5000, out)
    sums = (x.astype(np.int64) - (z := int(rng.integers(256)))) @ w.astype(np.int64).T + bias
    scales, factor, middle = _scales(sums.T[None], out)
    weight = (w, scales, np.zeros(out, np.int8))
    inputs = (x, scalar(1), zero(z), *weight, bias.astype(np.int32), scalar(1), zero(middle))
    return Case("QGemm", MICROSOFT, inputs, (0,), clip(sums.astype(np.float32) * factor, middle), {"transB": 1})


def matmul(rng: np.random.Generator, safe: bool, rows: int, inside: int, out: int) -> Case:
    """A QLinearMatMul with one scale for each output."""
    x, w = codes(rng, rows, inside), _weights(rng, (out, inside), safe)
    sums = (x.astype(np.int64) - (z := int(rng.integers(256)))) @ w.astype(np.int64).T
    scales, factor, middle = _scales(sums.T[None], out)
    weight = (np.ascontiguousarray(w.T), scales, np.zeros(out, np.int8))
    inputs = (x, scalar(1), zero(z), *weight, scalar(1), zero(middle))
    return Case("QLinearMatMul", "", inputs, (0,), clip(sums.astype(np.float32) * factor, middle))


def _convolve(x: Array, w: Array, stride: int, groups: int) -> Array:
    """Integers [1, C, H, W] and [K, C / groups, R, R] -> [1, K, H', W']; padded with zeros by R // 2."""
    taps = w.shape[-1]
    padded = np.pad(x, ((0, 0), (0, 0), *[(taps // 2, taps // 2)] * 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (taps, taps), (2, 3))[:, :, ::stride, ::stride]
    parts = zip(np.split(windows, groups, 1), np.split(w, groups), strict=True)
    return np.concatenate([np.einsum("nchwrs,kcrs->nkhw", a, b) for a, b in parts], axis=1)


def _weights(rng: np.random.Generator, shape: Sequence[int], safe: bool) -> Array:
    """int8 weights, half of them at the ends."""
    values = np.where(rng.random(shape) < 0.5, rng.choice([-127, 127], shape), rng.integers(-127, 128, shape))
    w = values.astype(np.int8)
    return undo_kernel_order(project(kernel_order(w, 0).astype(np.float64), 127).astype(np.int8), w, 0) if safe else w


def _scales(sums: Array, out: int) -> tuple[Array, Array, int]:
    """Scales of the weights, powers of two that spread most sums over the codes; the same as factors; a zero point."""
    spread = np.abs(sums).reshape(-1, out, int(np.prod(sums.shape)) // out).max(axis=(0, 2))
    factor = (2.0 ** -np.ceil(np.log2(np.maximum(spread, 2) / 160))).astype(np.float32)
    return factor, factor, 128


def _draw(rng: np.random.Generator, among: Sequence[int]) -> int:
    return int(rng.choice(among))


def _size(rng: np.random.Generator) -> tuple[int, int]:
    return _draw(rng, PIXELS), _draw(rng, PIXELS)


@KERNELS.register("convolution 1x1")
def _pointwise(rng: np.random.Generator, safe: bool) -> list[Case]:
    pairs = [(i, o) for i in CHANNELS for o in CHANNELS]
    chosen = (pairs[i] for i in rng.permutation(len(pairs))[:120])
    return [convolution(rng, safe, inside, out, _size(rng)) for inside, out in chosen]


@KERNELS.register("convolution 3x3")
def _square(rng: np.random.Generator, safe: bool) -> list[Case]:
    def one(_: int) -> Case:
        inside, out = _draw(rng, CHANNELS), _draw(rng, CHANNELS)
        return convolution(rng, safe, inside, out, _size(rng), 3, _draw(rng, (1, 2)))

    return [one(i) for i in range(60)]


@KERNELS.register("convolution of pixels")
def _first(rng: np.random.Generator, safe: bool) -> list[Case]:
    kinds = [(inside, kernel) for inside in (1, 3, 4) for kernel in (3, 7)]
    return [convolution(rng, safe, i, o, (17, 15), k, 2) for i, k in kinds for o in (8, 16, 32, 33, 64)]


@KERNELS.register("convolution in groups")
def _grouped(rng: np.random.Generator, safe: bool) -> list[Case]:
    def one(_: int) -> Case:
        groups = _draw(rng, (2, 3, 4))
        inside, out = (groups * _draw(rng, (1, 2, 3, 4, 7, 8, 16, 17)) for _ in range(2))
        return convolution(rng, safe, inside, out, _size(rng), _draw(rng, (1, 3)), groups=groups)

    return [one(i) for i in range(40)]


@KERNELS.register("depthwise convolution")
def _depthwise(rng: np.random.Generator, safe: bool) -> list[Case]:
    kinds = [(c, k, s) for c in (1, 3, 8, 15, 16, 17, 32, 48, 64, 80) for k in (3, 5) for s in (1, 2)]
    return [convolution(rng, safe, c, c, _size(rng), k, s, groups=c) for c, k, s in kinds]


@KERNELS.register("Gemm")
def _gemms(rng: np.random.Generator, safe: bool) -> list[Case]:
    return [gemm(rng, safe, *(_draw(rng, CHANNELS) for _ in range(3))) for _ in range(80)]


@KERNELS.register("MatMul")
def _matmuls(rng: np.random.Generator, safe: bool) -> list[Case]:
    return [matmul(rng, safe, *(_draw(rng, CHANNELS) for _ in range(3))) for _ in range(40)]
