"""The three convolutions of a training step in INT16, as one torch function; a linear layer is a 1x1 convolution."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pyq8 import kernels
from pyq8.dfp.operand import Operand, quantize


class Geometry(NamedTuple):
    """How a convolution walks over the image; padding is (top, left, bottom, right)."""

    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


class Convolution(torch.autograd.Function):
    """y = conv(x, w) + bias in INT16 x INT16 -> INT32 -> FP32; gradients likewise.

    x is [N, C, H, W] with a weight [K, C/g, R, S], or [..., C] with [K, C]. What is computed with are the operands,
    which are also all that is kept for backward. Results are no views: of those torch copies what is changed in place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        qx: Operand,
        qw: Operand,
        geometry: Geometry,
        gradient_bits: int,
        name: str,
    ) -> Tensor:
        """[N, K, Ho, Wo], channels-last in memory, or [..., K]."""
        ctx.save_for_backward(qx.mantissa, qw.mantissa)
        ctx.exponents = qx.exponent, qw.exponent
        ctx.x_shape, ctx.linear = x.shape, weight.dim() == 2
        ctx.bound, ctx.geometry, ctx.bits, ctx.name = qx.bound, geometry, gradient_bits, name
        y, _ = kernels.conv_forward(
            qx.mantissa.numpy(),
            qw.mantissa.numpy(),
            scale=2.0 ** (qx.exponent + qw.exponent),
            bias=None if bias is None else bias.detach().contiguous().numpy(),
            bound=qx.bound,
            **geometry._asdict(),
        )
        return torch.from_numpy(y.reshape(*x.shape[:-1], -1) if ctx.linear else y.transpose(0, 3, 1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """dx, dweight, dbias: the convolutions in INT16, the sum for the bias in FP32."""
        wants_dx, wants_dw, wants_db = ctx.needs_input_grad[:3]
        mantissa_x, mantissa_w = ctx.saved_tensors
        exponent_x, exponent_w = ctx.exponents
        dx = dw = None
        dy = as_pixels(dy, ctx.linear).contiguous()
        if wants_dx or wants_dw:
            qdy = quantize(dy, ctx.bits, f"{ctx.name}: the gradient of its output")
        if wants_dx:
            found, _ = kernels.conv_backward_data(
                qdy.mantissa.numpy(),
                mantissa_w.numpy(),
                scale=2.0 ** (qdy.exponent + exponent_w),
                input_hw=(mantissa_x.shape[1], mantissa_x.shape[2]),
                bound=qdy.bound,
                **ctx.geometry._asdict(),
            )
            dx = torch.from_numpy(found.reshape(ctx.x_shape) if ctx.linear else found.transpose(0, 3, 1, 2))
        if wants_dw:
            found, _ = kernels.conv_backward_weight(
                mantissa_x.numpy(),
                qdy.mantissa.numpy(),
                scale=2.0 ** (qdy.exponent + exponent_x),
                kernel_hw=(mantissa_w.shape[1], mantissa_w.shape[2]),
                bound=ctx.bound,
                **ctx.geometry._asdict(),
            )
            dw = torch.from_numpy(found.reshape(len(found), -1) if ctx.linear else found.transpose(0, 3, 1, 2))
        db = dy.sum(dim=(0, 1, 2)) if wants_db else None
        return dx, dw, db, None, None, None, None, None


def as_pixels(x: Tensor, linear: bool) -> Tensor:
    """A view as [N, H, W, C] of images [N, C, H, W], or of rows [..., C] as one row of pixels."""
    return x.reshape(1, 1, -1, x.shape[-1]) if linear else x.permute(0, 2, 3, 1)


def as_taps(weight: Tensor) -> Tensor:
    """A view as [K, R, S, C/g] of a weight [K, C/g, R, S] or [K, C]."""
    return weight[:, None, None] if weight.dim() == 2 else weight.permute(0, 2, 3, 1)
