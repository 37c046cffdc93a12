"""A Sequential that computes convolution, BatchNorm and ReLU, where they follow one another, in one function."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from pyq8.dfp.fused import ConvolutionNorm
from pyq8.dfp.layers import DfpConv2d, check_input, operands
from pyq8.dfp.operand import Operand, remember

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Group(NamedTuple):
    """Layers that are computed together.

    Args:
        conv: the convolution.
        norm: its BatchNorm.
        act: the ReLU behind, if one is.
    """

    conv: DfpConv2d
    norm: nn.BatchNorm2d
    act: nn.ReLU | None


class DfpSequential(nn.Sequential):
    """`torch.nn.Sequential` with the same modules; groups of them are computed in one function.

    A module with hooks is called by itself, so that the hooks see what they expect.
    """

    def forward(self, x: Tensor) -> Tensor:
        """What the modules make of x, one after the other."""
        steps = list(grouped(self))
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            if not isinstance(step, Group):
                x = step(x)
                continue
            check_input(step.conv, x)
            if _fits(step, x):
                x = _run(step, x, following)
            else:
                for layer in step:
                    x = x if layer is None else layer(x)
        return x


def grouped(sequence: nn.Module) -> Iterator[nn.Module | Group]:
    """The modules of a sequence in their order, nested sequences opened, those that are computed together in groups."""
    layers = list(_flat(sequence))
    while layers:
        conv, norm, act = (*layers, nn.Identity(), nn.Identity())[:3]
        if type(conv) is DfpConv2d and type(norm) is nn.BatchNorm2d and not _hooked(conv) and not _hooked(norm):
            relu = act if type(act) is nn.ReLU and not _hooked(act) else None
            del layers[: 2 if relu is None else 3]
            yield Group(conv, norm, relu)
        else:
            yield layers.pop(0)


def _flat(sequence: nn.Module) -> Iterator[nn.Module]:
    for layer in sequence._modules.values():  # children() leaves out a module's second place
        assert layer is not None
        if type(layer) is DfpSequential and not _hooked(layer):
            yield from _flat(layer)
        else:
            yield layer


def _hooked(layer: nn.Module) -> bool:
    return any(getattr(layer, name) for name in _HOOKS) or bool(torch_module._has_any_global_hook())  # type: ignore[no-untyped-call]


def _fits(group: Group, x: Tensor) -> bool:
    """Whether the one function computes what the layers would: of float32 images with float32 parameters."""
    conv, norm, _ = group
    tensors = (*conv.parameters(), *norm.parameters(), *norm.buffers())
    ordinary = all(t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors if t.is_floating_point())
    images = x.dim() == 4 and x.shape[1] == conv.in_channels and x.dtype == torch.float32 and x.numel() > 0
    return ordinary and images and norm.num_features == conv.out_channels


def _run(group: Group, x: Tensor, following: nn.Module | Group | None) -> Tensor:
    """The result of a group; where another convolution alone reads it, a tensor that only carries its operand."""
    conv, norm, act = group
    layer = following.conv if isinstance(following, Group) else following
    reader = (
        layer if type(layer) is DfpConv2d and layer.in_channels == conv.out_channels and not _hooked(layer) else None
    )
    if torch.is_inference_mode_enabled():  # its tensors remember no operand
        reader = None
    made: list[Operand] = []
    y: Tensor = ConvolutionNorm.apply(  # type: ignore[no-untyped-call]
        *(x, conv.weight, conv.bias, norm.weight, norm.bias),
        *operands(conv, x),
        *(conv.geometry, conv.dfp, norm, act is not None),
        *(None if reader is None else reader.dfp, made),
    )
    if reader is not None:
        remember(y, made[0], reader.dfp.bits)
    return y
