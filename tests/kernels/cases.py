"""Convolutions of random sizes, and the three directions of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyq8 import kernels
from pyq8.kernels.geometry import Conv
from pyq8.kernels.reference import Float32, Int16

Answer = tuple[Float32, float]


@dataclass
class Case:
    conv: Conv
    x: Int16
    w: Int16
    dy: Int16
    bias: Float32
    scale: float = 2.0**-20

    @property
    def options(self) -> dict[str, Any]:
        conv = self.conv
        return {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation, "groups": conv.groups}

    def run(self, chain: int | None = None, check: bool = False) -> dict[str, Answer]:
        """Forward, backward data and backward weight."""
        more: dict[str, Any] = {**self.options, "scale": self.scale, "chain": chain, "check": check}
        return {
            "forward": kernels.conv_forward(self.x, self.w, bias=self.bias, **more),
            "data": kernels.conv_backward_data(self.dy, self.w, input_hw=(self.conv.h, self.conv.w), **more),
            "weight": kernels.conv_backward_weight(self.x, self.dy, kernel_hw=(self.conv.r, self.conv.s), **more),
        }


def fill(conv: Conv, rng: np.random.Generator, largest: int) -> Case:
    """Uniform numbers within +-largest."""

    def integers(shape: tuple[int, ...]) -> Int16:
        return rng.integers(-largest, largest + 1, shape).astype(np.int16)

    bias = rng.normal(size=conv.k).astype(np.float32)
    return Case(conv, integers(conv.x_shape), integers(conv.w_shape), integers(conv.y_shape), bias)


def random_conv(rng: np.random.Generator) -> Conv:
    """Any kernel, stride, padding, dilation and groups; channels odd and even, below and above a vector."""
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    r, s, stride_h, stride_w = (int(v) for v in rng.integers(1, 4, 4))
    dilation = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    top, left, bottom, right = (int(v) for v in rng.integers(0, 3, 4))
    return Conv(
        n=int(rng.integers(1, 3)),
        h=max(1, dilation[0] * (r - 1) + 1 - top - bottom) + int(rng.integers(0, 12)),
        w=max(1, dilation[1] * (s - 1) + 1 - left - right) + int(rng.integers(0, 33)),
        c=int(rng.integers(1, 40)) * groups,
        k=int(rng.integers(1, 75)) * groups,
        r=r,
        s=s,
        stride=(stride_h, stride_w),
        padding=(top, left, bottom, right),
        dilation=dilation,
        groups=groups,
    )


def same_bytes(a: dict[str, Answer], b: dict[str, Answer]) -> None:
    for name, (array, peak) in a.items():
        other, other_peak = b[name]
        assert array.tobytes() == other.tobytes(), f"{name}: {np.abs(array - other).max()} apart"
        assert peak == other_peak, name
