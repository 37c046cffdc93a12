"""A convolution in INT16 as a torch function; a linear layer is a 1x1 convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pyq8.dfp import convolution
from pyq8.dfp.convolution import Geometry
from pyq8.dfp.operand import Operand, Settings


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
        settings: Settings,
    ) -> Tensor:
        """[N, K, Ho, Wo], channels-last in memory, or [..., K]."""
        keep_operands(ctx, qx, qw)
        ctx.x_shape, ctx.linear = x.shape, weight.dim() == 2
        ctx.geometry, ctx.settings = geometry, settings
        y = convolution.forward(qx, qw, None if bias is None else bias.detach().contiguous().numpy(), geometry)
        return torch.from_numpy(y.reshape(*x.shape[:-1], -1) if ctx.linear else y.transpose(0, 3, 1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """dx, dweight, dbias: the convolutions in INT16, the sum for the bias in FP32."""
        wants_dx, wants_dw, wants_db = ctx.needs_input_grad[:3]
        dx = dw = None
        dy = as_pixels(dy, ctx.linear)
        if wants_dx or wants_dw:
            dx, dw = gradients(ctx, ctx.saved_tensors, ctx.settings.quantize(dy, "gradient"))
            if ctx.linear:
                dx = None if dx is None else dx.permute(0, 2, 3, 1).reshape(ctx.x_shape)
                dw = None if dw is None else dw[:, :, 0, 0]
        db = dy.sum(dim=(0, 1, 2)) if wants_db else None
        return dx, dw, db, None, None, None, None


def keep_operands(ctx: Any, qx: Operand, qw: Operand, *more: Tensor) -> None:
    """For `gradients`; ctx.saved_tensors begins with `more`, and may be asked for only once."""
    ctx.save_for_backward(*more, qx.mantissa, qw.mantissa)
    ctx.operands = (qx.exponent, qx.bound), (qw.exponent, qw.bound)


def gradients(ctx: Any, mantissas: Sequence[Tensor], qdy: Operand) -> tuple[Tensor | None, Tensor | None]:
    """dx [N, C, H, W] and dweight [K, C/g, R, S], those that are wanted, channels-last in memory.

    Args:
        ctx: of the function.
        mantissas: what `keep_operands` kept.
        qdy: the gradient of the convolution's result.
    """
    wants_dx, wants_dw = ctx.needs_input_grad[:2]
    qx, qw = (Operand(m, *rest) for m, rest in zip(mantissas, ctx.operands, strict=True))
    dx = dw = None
    if wants_dx:
        _, height, width, _ = qx.mantissa.shape
        dx = convolution.gradient_of_input(qdy, qw, height, width, ctx.geometry)
    if wants_dw:
        _, height, width, _ = qw.mantissa.shape
        dw = convolution.gradient_of_weight(qx, qdy, height, width, ctx.geometry)
    return tuple(None if a is None else torch.from_numpy(a.transpose(0, 3, 1, 2)) for a in (dx, dw))  # type: ignore[return-value]


def as_pixels(x: Tensor, linear: bool) -> Tensor:
    """A view as [N, H, W, C] of images [N, C, H, W], or of rows [..., C] as one row of pixels."""
    return x.reshape(1, 1, -1, x.shape[-1]) if linear else x.permute(0, 2, 3, 1)


def as_taps(weight: Tensor) -> Tensor:
    """A view as [K, R, S, C/g] of a weight [K, C/g, R, S] or [K, C]."""
    return weight[:, None, None] if weight.dim() == 2 else weight.permute(0, 2, 3, 1)
