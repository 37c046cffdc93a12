"""One integer operator on small tensors, and what it must compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyq8.registry import Registry
from pyq8.types import Array


@dataclass(frozen=True)
class Case:
    """A node whose inputs are given.

    Attributes:
        op_type: of the node.
        domain: likewise.
        inputs: in the node's order, None for one left out.
        fed: which of them are the model's inputs; the others are constants.
        expected: the output, in integer arithmetic.
        attributes: of the node.
        steps: how far a code may be off: 1 where the formula is in floating point and a tie may fall either way.
    """

    op_type: str
    domain: str
    inputs: tuple[Array | None, ...]
    fed: tuple[int, ...]
    expected: Array
    attributes: dict[str, Any] = field(default_factory=dict)
    steps: int = 0


Cases = Callable[[np.random.Generator, bool], list[Case]]
"""Seeded cases of a kernel; the bool: only weights of which no pair of products saturates in 16 bits."""
KERNELS: Registry[Cases] = Registry("kernel")
"""What is examined -> its cases."""
MICROSOFT = "com.microsoft"


def codes(rng: np.random.Generator, *shape: int) -> Array:
    """uint8 codes, a third of them at one of the ends."""
    values = rng.integers(0, 256, shape)
    ends = rng.choice([0, 255], shape)
    return np.where(rng.random(shape) < 1 / 3, ends, values).astype(np.uint8)


def clip(values: Array, zero_point: int) -> Array:
    """Real numbers in units of the output's scale -> uint8 codes, ties to even."""
    return np.asarray(np.clip(np.rint(values) + zero_point, 0, 255), np.uint8)


def scalar(value: float) -> Array:
    """A scale."""
    return np.asarray(value, np.float32)


def zero(value: int) -> Array:
    """A zero point of activations."""
    return np.asarray(value, np.uint8)
