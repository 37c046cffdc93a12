"""The three convolutions of a training step on int16 operands."""

from __future__ import annotations

from typing import NamedTuple

from pyq8 import kernels
from pyq8.dfp.operand import Operand
from pyq8.kernels.reference import Float32


class Geometry(NamedTuple):
    """How a convolution walks over the image; padding is (top, left, bottom, right)."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


def forward(x: Operand, w: Operand, bias: Float32 | None, geometry: Geometry) -> Float32:
    """[N, Ho, Wo, K] float32 of x [N, H, W, C], w [K, R, S, C/g] and bias [K]."""
    y, _ = kernels.conv_forward(
        x.mantissa.numpy(),
        w.mantissa.numpy(),
        scale=2.0 ** (x.exponent + w.exponent),
        bias=bias,
        bound=x.bound,
        **geometry._asdict(),
    )
    return y


def gradient_of_input(dy: Operand, w: Operand, height: int, width: int, geometry: Geometry) -> Float32:
    """[N, H, W, C] float32 of dy [N, Ho, Wo, K] and w [K, R, S, C/g]."""
    dx, _ = kernels.conv_backward_data(
        dy.mantissa.numpy(),
        w.mantissa.numpy(),
        scale=2.0 ** (dy.exponent + w.exponent),
        input_hw=(height, width),
        bound=dy.bound,
        **geometry._asdict(),
    )
    return dx


def gradient_of_weight(x: Operand, dy: Operand, height: int, width: int, geometry: Geometry) -> Float32:
    """[K, R, S, C/g] float32 of x [N, H, W, C] and dy [N, Ho, Wo, K]."""
    dw, _ = kernels.conv_backward_weight(
        x.mantissa.numpy(),
        dy.mantissa.numpy(),
        scale=2.0 ** (x.exponent + dy.exponent),
        kernel_hw=(height, width),
        bound=x.bound,
        **geometry._asdict(),
    )
    return dw
