"""Convolution, BatchNorm and ReLU as one torch function, in few passes over memory.

Forward reads the convolution's result twice: for its moments, and to normalize, rectify and convert it to int16,
since the moments' extremes give max|y| before y is there. Backward reads it twice with dy: for the sums, and for the
gradient that goes to the convolutions as int16, its exponent from a bound that the sums give.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from pyq8.dfp import convolution
from pyq8.dfp.convolution import Geometry
from pyq8.dfp.function import gradients, keep_operands
from pyq8.dfp.operand import Operand, Settings
from pyq8.dfp.tensor import choose_exponent
from pyq8.errors import DataError
from pyq8.kernels import normalization
from pyq8.kernels.normalization import Mantissas, Normalization

_ROUNDING = 1 + 2.0**-20
"""What FP32's rounding may add to the bound of a gradient."""


class ConvolutionNorm(torch.autograd.Function):
    """y = relu(norm(conv(x, w) + bias)), the ReLU where `rectify`."""

    @staticmethod
    def forward(
        ctx: Any,
        _x: Tensor,
        _weight: Tensor,
        bias: Tensor | None,
        gamma: Tensor | None,
        beta: Tensor | None,
        qx: Operand,
        qw: Operand,
        geometry: Geometry,
        settings: Settings,
        norm: nn.BatchNorm2d,
        rectify: bool,
        reader: Settings | None,
        out: list[Operand],
    ) -> Tensor:
        """[N, K, Ho, Wo] float32, channels-last in memory.

        With a `reader`, the layer that alone reads the result, `out` gets the result as its operand, and the tensor
        returned has its shape, and no values.
        """
        z = convolution.forward(qx, qw, None if bias is None else bias.detach().contiguous().numpy(), geometry)
        rows = z.reshape(-1, z.shape[-1])
        ctx.batch = norm.training or norm.running_mean is None
        extremes = None
        if ctx.batch or reader is not None:
            mean, variance, *extremes = normalization.moments(rows)
        if ctx.batch:
            _update(norm, mean, variance, len(rows))
        else:
            mean, variance = _running(norm)
        inverse = 1 / np.sqrt(variance + norm.eps)
        factor = inverse if gamma is None else inverse * gamma.detach().numpy()
        shift = np.zeros_like(mean) if beta is None else beta.detach().numpy()
        mean32, factor32, shift32 = (v.astype(np.float32) for v in (mean, factor, shift))
        how = Normalization(mean32, factor32, shift32, rectify)
        ctx.how, ctx.inverse, ctx.geometry, ctx.settings = how, inverse, geometry, settings
        keep_operands(ctx, qx, qw, torch.from_numpy(z))
        if reader is None:
            y, _ = normalization.normalize(rows, how)
            assert y is not None
            return torch.from_numpy(y.reshape(z.shape).transpose(0, 3, 1, 2))
        assert extremes is not None
        bits = reader.bits.activation
        exponent = _exponent(float(np.max(np.abs(how.at(np.stack(extremes))))), bits, reader, "activation")
        _, q = normalization.normalize(rows, how, real=False, mantissas=Mantissas(exponent, bits))
        assert q is not None
        out.append(Operand(torch.from_numpy(q.reshape(z.shape)), exponent, 2**bits - 1))
        n, height, width, k = z.shape
        return torch.empty_strided((n, k, height, width), (0, 0, 0, 0), dtype=torch.float32)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        """dx, dweight, dbias, dgamma, dbeta."""
        saved_z, *saved = ctx.saved_tensors
        z = saved_z.numpy()
        rows, how, bits = z.reshape(-1, z.shape[-1]), ctx.how, ctx.settings.bits.gradient
        dy_rows = dy.permute(0, 2, 3, 1).contiguous().numpy().reshape(rows.shape)
        sum_g, sum_gc, peak_g, far = normalization.backward_sums(dy_rows, rows, how)
        peak_g[np.isnan(sum_gc)] = np.nan
        k1 = sum_g / len(rows) if ctx.batch else np.zeros_like(sum_g)
        k2 = sum_gc * ctx.inverse**2 / len(rows) if ctx.batch else np.zeros_like(sum_g)
        bound = np.max(np.abs(how.factor) * (peak_g + np.abs(k1) + far * np.abs(k2))) * _ROUNDING
        mantissas = Mantissas(_exponent(float(bound), bits, ctx.settings, "gradient"), bits)
        k1_32, k2_32 = k1.astype(np.float32), k2.astype(np.float32)
        _, q = normalization.backward(dy_rows, rows, how, k1_32, k2_32, real=False, mantissas=mantissas)
        assert q is not None
        qdy = Operand(torch.from_numpy(q.reshape(z.shape)), mantissas.exponent, 2**bits - 1)
        dx, dw = gradients(ctx, saved, qdy)
        sums = (how.factor * (sum_g - len(rows) * k1), sum_gc * ctx.inverse, sum_g)
        wanted = zip(ctx.needs_input_grad[2:5], sums, strict=True)
        return dx, dw, *(torch.from_numpy(s.astype(np.float32)) if w else None for w, s in wanted), *(None,) * 8


def _exponent(peak: float, bits: int, settings: Settings, kind: str) -> int:
    try:
        return choose_exponent(peak, bits)
    except DataError:
        raise settings.not_finite(kind) from None


def _update(norm: nn.BatchNorm2d, mean: Any, variance: Any, count: int) -> None:
    """The running statistics, as torch's BatchNorm keeps them.

    Raises:
        DataError: one value a channel, which has no variance.
    """
    if count < 2:
        raise DataError("BatchNorm in training needs more than one value a channel; give larger batches or images")
    if norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    momentum = 1 / int(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    unbiased = variance * (count / (count - 1))
    for running, now in ((norm.running_mean, mean), (norm.running_var, unbiased)):
        running.lerp_(torch.from_numpy(now.astype(np.float32)), momentum)


def _running(norm: nn.BatchNorm2d) -> tuple[Any, Any]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return norm.running_mean.numpy().astype(np.float64), norm.running_var.numpy().astype(np.float64)
