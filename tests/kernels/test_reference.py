"""The reference against the definition of a convolution, written once more as loops."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.kernels.geometry import Conv
from tests.kernels.cases import Case, fill, random_conv


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYQ8_ISA", "reference")


def small(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    conv = random_conv(rng)
    sizes = {"n": 1, "c": 2 * conv.groups, "k": 3 * conv.groups, "w": min(conv.w, 9 + conv.dilation[1] * conv.s)}
    return fill(Conv(**{**vars(conv), **sizes}), rng, 20)


def directions_by_loops(case: Case) -> dict[str, np.ndarray]:
    """Every product of the convolution goes to its place in y, dx and dw."""
    conv = case.conv
    x, w, dy = case.x.astype(np.int64), case.w.astype(np.int64), case.dy.astype(np.int64)
    y, dx, dw = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(w)
    of_group = conv.c // conv.groups
    for n, i, j, k, r, s in np.ndindex(conv.n, conv.ho, conv.wo, conv.k, conv.r, conv.s):
        row = i * conv.stride[0] + r * conv.dilation[0] - conv.padding[0]
        col = j * conv.stride[1] + s * conv.dilation[1] - conv.padding[1]
        if not (0 <= row < conv.h and 0 <= col < conv.w):
            continue
        first = k // (conv.k // conv.groups) * of_group
        channels = slice(first, first + of_group)
        y[n, i, j, k] += x[n, row, col, channels] @ w[k, r, s]
        dx[n, row, col, channels] += dy[n, i, j, k] * w[k, r, s]
        dw[k, r, s] += dy[n, i, j, k] * x[n, row, col, channels]
    return {"forward": y, "data": dx, "weight": dw}


@pytest.mark.parametrize("seed", range(8))
def test_the_three_directions_are_those_of_the_definition(seed: int) -> None:
    case = small(seed)
    case.scale, case.bias[:] = 0.5, 0
    expected = directions_by_loops(case)
    for name, (array, peak) in case.run().items():
        assert np.array_equal(array, expected[name] * 0.5), name
        assert peak == np.abs(array).max()


def test_a_bias_is_added_after_the_scale() -> None:
    x, w = np.full((1, 1, 1, 2), 3, np.int16), np.full((1, 1, 1, 2), 5, np.int16)
    y, peak = kernels.conv_forward(x, w, scale=0.1, bias=np.array([-7], np.float32))
    assert y.item() == np.float32(30) * np.float32(0.1) - np.float32(7) and peak == -y.item()


def test_chains_are_rounded_one_after_the_other() -> None:
    """2^24 + 1 is no float32: adding 1 sixteen times to 2^24 is lost unless the ones are summed as integers."""
    a = np.array([[4096, 0] + [1] * 16], np.int16)
    b = np.array([[4096, 0] + [1] * 16], np.int16)
    assert kernels.gemm(a, b, scale=1, chain=2)[0].item() == 2**24 + 16
    b[0, 3::2] = 0
    assert kernels.gemm(a, b, scale=1, chain=2)[0].item() == 2**24
    assert kernels.gemm(a, b, scale=1, chain=18)[0].item() == 2**24 + 8


@pytest.mark.parametrize(("sum_", "scale"), [(2**20, 2.0**-160), (1, 2.0**-149), (2**12, 0.75 * 2.0**-130)])
def test_a_scale_below_float32_is_no_zero(sum_: int, scale: float) -> None:
    a, b = np.array([[1024, 0]], np.int16), np.array([[sum_ // 1024, 0]], np.int16)
    if sum_ == 1:
        a[0, 0] = b[0, 0] = 1
    assert kernels.gemm(a, b, scale=scale)[0].item() == sum_ * scale
