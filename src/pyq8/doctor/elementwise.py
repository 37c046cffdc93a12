"""The other INT8 kernels: real arithmetic between two roundings, so that a tie may fall either way."""

from __future__ import annotations

import numpy as np

from pyq8.doctor.case import KERNELS, MICROSOFT, Case, clip, codes, scalar, zero
from pyq8.types import Array

SHAPES = [(1, c, h, w) for c in (1, 3, 16, 17, 33) for h, w in ((1, 1), (3, 5), (7, 7), (8, 9))]


def _input(rng: np.random.Generator, *shape: int) -> tuple[Array, tuple[Array, Array, Array]]:
    """The numbers of a quantized tensor, and the tensor: codes, scale, zero point."""
    x, scale, z = codes(rng, *shape), scalar(2.0 ** -int(rng.integers(4, 7))), int(rng.integers(256))
    return (x.astype(np.float64) - z) * float(scale), (x, scale, zero(z))


def _case(
    op_type: str, rng: np.random.Generator, real: Array, *given: tuple[Array, Array, Array], **more: object
) -> Case:
    """An operator of one or two tensors, whose output has a scale for most of its numbers."""
    scale, z = np.float32(np.abs(real).max() / 120 + 1e-3), int(rng.integers(100, 156))
    flat = tuple(array for tensor in given for array in tensor)
    fed = tuple(range(0, len(flat), 3))
    expected = clip(real / float(scale), z)
    return Case(op_type, MICROSOFT, (*flat, scalar(float(scale)), zero(z)), fed, expected, dict(more), steps=1)


@KERNELS.register("sum")
def _sums(rng: np.random.Generator, _: bool) -> list[Case]:
    pairs = [(_input(rng, *shape), _input(rng, *shape)) for shape in SHAPES]
    return [_case("QLinearAdd", rng, a + b, left, right) for (a, left), (b, right) in pairs]


@KERNELS.register("product of two tensors")
def _products(rng: np.random.Generator, _: bool) -> list[Case]:
    gates = [(shape, (1, shape[1], 1, 1)) for shape in SHAPES]
    pairs = [(_input(rng, *a), _input(rng, *b)) for a, b in [*zip(SHAPES, SHAPES, strict=True), *gates]]
    return [_case("QLinearMul", rng, a * b, left, right) for (a, left), (b, right) in pairs]


@KERNELS.register("global average pool")
def _global_pools(rng: np.random.Generator, _: bool) -> list[Case]:
    return [
        _case("QLinearGlobalAveragePool", rng, real.mean((2, 3), keepdims=True), given)
        for real, given in (_input(rng, *shape) for shape in SHAPES)
    ]


@KERNELS.register("average pool")
def _pools(rng: np.random.Generator, _: bool) -> list[Case]:
    cases = []
    for shape in (s for s in SHAPES if s[2] >= 3):
        real, given = _input(rng, *shape)
        means = np.lib.stride_tricks.sliding_window_view(real, (2, 2), (2, 3)).mean((4, 5))
        cases.append(_case("QLinearAveragePool", rng, means, given, kernel_shape=[2, 2]))
    return cases


@KERNELS.register("sigmoid")
def _sigmoids(rng: np.random.Generator, _: bool) -> list[Case]:
    return [
        _case("QLinearSigmoid", rng, 1 / (1 + np.exp(-real)), given)
        for real, given in (_input(rng, *s) for s in SHAPES)
    ]


@KERNELS.register("leaky ReLU")
def _leaky(rng: np.random.Generator, _: bool) -> list[Case]:
    return [
        _case("QLinearLeakyRelu", rng, np.where(real < 0, 0.125 * real, real), given, alpha=0.125)
        for real, given in (_input(rng, *shape) for shape in SHAPES)
    ]


@KERNELS.register("softmax")
def _softmaxes(rng: np.random.Generator, _: bool) -> list[Case]:
    cases = []
    for classes in (2, 7, 16, 33):
        real, given = _input(rng, 3, classes)
        powers = np.exp(real - real.max(axis=1, keepdims=True))
        expected = clip(powers / powers.sum(axis=1, keepdims=True) * 256, 0)
        inputs = (*given, scalar(1 / 256), zero(0))
        more = {"axis": 1, "opset": 17}
        cases.append(Case("QLinearSoftmax", MICROSOFT, inputs, (0,), expected, more, steps=1))
    return cases


@KERNELS.register("concatenation")
def _concatenations(rng: np.random.Generator, _: bool) -> list[Case]:
    cases = []
    for shape in SHAPES:
        (a, left), (b, right) = _input(rng, *shape), _input(rng, *shape)
        real, z = np.concatenate([a, b], axis=1), 128
        scale = scalar(float(np.abs(real).max() / 120 + 1e-3))
        inputs = (scale, zero(z), *left, *right)
        expected = clip(real / float(scale), z)
        cases.append(Case("QLinearConcat", MICROSOFT, inputs, (2, 5), expected, {"axis": 1}, steps=1))
    return cases


@KERNELS.register("maximum pool")
def _maxima(rng: np.random.Generator, _: bool) -> list[Case]:
    cases = []
    for shape in (s for s in SHAPES if s[2] >= 3):
        x = codes(rng, *shape)
        expected = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3)).max((4, 5))
        cases.append(Case("MaxPool", "", (x,), (0,), expected, {"kernel_shape": [3, 3]}))
    return cases


@KERNELS.register("quantization")
def _quantizations(rng: np.random.Generator, _: bool) -> list[Case]:
    cases = []
    for shape in SHAPES:
        x, z = rng.integers(-800, 800, shape).astype(np.float32) / 4, int(rng.integers(256))
        cases.append(Case("QuantizeLinear", "", (x, scalar(0.5), zero(z)), (0,), clip(x / 0.5, z)))
    return cases


@KERNELS.register("dequantization")
def _dequantizations(rng: np.random.Generator, _: bool) -> list[Case]:
    cases = [_input(rng, *shape) for shape in SHAPES]
    return [Case("DequantizeLinear", "", given, (0,), real.astype(np.float32)) for real, given in cases]
