"""A torch tensor as the int16 operand of a kernel: numpy views, no copies."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from pyq8 import kernels
from pyq8.dfp.tensor import choose_exponent
from pyq8.errors import DataError


class Operand(NamedTuple):
    """value = mantissa * 2^exponent.

    Args:
        mantissa: int16, contiguous.
        exponent: of all elements.
        bound: no |mantissa| is larger.
    """

    mantissa: Tensor
    exponent: int
    bound: int


def quantize(x: Tensor, bits: int, what: str) -> Operand:
    """The int16 operand of a tensor.

    Args:
        x: float32, any shape; copied once if it is not contiguous.
        bits: magnitude bits, 2 to 15.
        what: what the tensor is, for the message.

    Raises:
        DataError: x holds NaN or infinity.
    """
    values = x.detach().contiguous().numpy()
    try:
        exponent = choose_exponent(kernels.absmax(values), bits)
    except DataError:
        raise DataError(f"{what} holds NaN or infinity: the training diverged; lower the learning rate") from None
    return Operand(torch.from_numpy(kernels.quantize(values, exponent, bits)), exponent, 2**bits - 1)


def quantize_activation(x: Tensor, channels_last: Tensor, bits: int, what: str) -> Operand:
    """`quantize` of a layer's input, remembered on the tensor: layers that read the same one share the operand.

    Args:
        x: the layer's input, whose attribute keeps the operand for as long as the tensor lives unchanged.
        channels_last: its values as the kernels read them.
        bits: magnitude bits.
        what: for the message.
    """
    if x.is_inference():  # has no version
        return quantize(channels_last, bits, what)
    key = (x._version, bits, tuple(channels_last.shape))
    known: tuple[Any, Operand] | None = getattr(x, "_pyq8_operand", None)
    if known is None or known[0] != key:
        known = (key, quantize(channels_last, bits, what))
        x._pyq8_operand = known  # type: ignore[attr-defined]
    return known[1]
