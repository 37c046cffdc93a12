"""How many bits the operands of a layer have."""

from __future__ import annotations

from dataclasses import dataclass

from pyq8.dfp.tensor import check_bits


@dataclass(frozen=True)
class Bits:
    """Magnitude bits of each operand, 2 to 15.

    More are more exact; fewer allow longer sums of integers between two conversions to FP32.

    Args:
        activation: of a layer's input.
        weight: of its weights.
        gradient: of the gradient of its output.

    Raises:
        UsageError: a width outside 2..15.
    """

    activation: int = 13
    weight: int = 13
    gradient: int = 13

    def __post_init__(self) -> None:
        for bits in (self.activation, self.weight, self.gradient):
            check_bits(bits)
