"""What the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class InputSpec:
    """One input of a model.

    Args:
        name: the input's name in the graph.
        dtype: its numpy name: "float32", "uint8".
        shape: its axes, axis 0 the batch; None where the model leaves the length open.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        axes = ", ".join("?" if axis is None else str(axis) for axis in self.shape)
        return f"{self.name!r} ({self.dtype} [{axes}])"


def fixed_batch(specs: Sequence[InputSpec]) -> int | None:
    """The number of samples that the model takes per run, None where it takes any number."""
    return next((spec.shape[0] for spec in specs if spec.shape and spec.shape[0] is not None), None)
