"""A torch tensor as the int16 operand of a kernel: numpy views, no copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pyq8 import kernels
from pyq8.dfp.options import Bits
from pyq8.errors import DataError

ITSELF = "the module itself"
"""The name, for messages, of a layer that is no part of another module."""


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


@dataclass
class Settings:
    """What a converted layer knows of itself.

    Args:
        name: in the converted module, for messages.
        bits: magnitude bits of its operands.
        exponents: those of the step before, by operand: where they still hold, a tensor is read only once.
    """

    name: str
    bits: Bits
    exponents: dict[str, int] = field(default_factory=dict)

    def quantize(self, x: Tensor, kind: str) -> Operand:
        """The int16 operand of a tensor.

        Args:
            x: float32, any shape; copied once if it is not contiguous.
            kind: "activation", "weight" or "gradient".

        Raises:
            DataError: x holds NaN or infinity.
        """
        bits: int = getattr(self.bits, kind)
        values = x.detach().contiguous().numpy()
        try:
            mantissa, exponent = kernels.quantize_tensor(values, bits, guess=self.exponents.get(kind))
        except DataError:
            raise self.not_finite(kind) from None
        self.exponents[kind] = exponent
        return Operand(torch.from_numpy(mantissa), exponent, 2**bits - 1)

    def not_finite(self, kind: str) -> DataError:
        """The error that an operand is NaN or infinite."""
        if kind == "activation":
            hint = "look at the data, or in training lower the learning rate"
            return DataError(f"{self.name}: its input holds NaN or infinity; {hint}")
        what = "the gradient of its output" if kind == "gradient" else "its weight"
        return DataError(f"{self.name}: {what} holds NaN or infinity: the training diverged; lower the learning rate")


def quantize_activation(x: Tensor, channels_last: Tensor, settings: Settings) -> Operand:
    """`Settings.quantize` of a layer's input; what autograd computed keeps it, for the other layers that read it.

    Nothing else keeps it: images may change in ways that torch does not count, as through the numpy array below them.

    Args:
        x: the layer's input.
        channels_last: its values as the kernels read them.
        settings: of the layer.
    """
    known: tuple[Any, Operand] | None = getattr(x, "_pyq8_operand", None)
    if known is not None and known[0] == _key(x, settings.bits) and known[1].mantissa.shape == channels_last.shape:
        return known[1]
    operand = settings.quantize(channels_last, "activation")
    if (x if x._base is None else x._base).grad_fn is not None:
        remember(x, operand, settings.bits)
    return operand


def remember(x: Tensor, operand: Operand, bits: Bits) -> None:
    """Keep the operand of a tensor's present values with it."""
    x._pyq8_operand = (_key(x, bits), operand)  # type: ignore[attr-defined]


def _key(x: Tensor, bits: Bits) -> tuple[int, int]:
    return x._version, bits.activation
