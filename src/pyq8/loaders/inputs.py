"""What the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class InputSpec:
    """One input of a model.

    Args:
        name: the input's name in the graph.
        dtype: its numpy name: "float32", "uint8".
        shape: its axes, axis 0 the batch unless it is `whole`; None where the model leaves the length open.
        whole: whether it has no batch axis: a run takes one sample.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    whole: bool = field(default=False, compare=False)

    @property
    def stacked(self) -> tuple[int | None, ...]:
        """The axes of several samples: axis 0 counts them."""
        return (None, *self.shape) if self.whole else self.shape

    def __str__(self) -> str:
        axes = ", ".join("?" if axis is None else str(axis) for axis in self.shape)
        return f"{self.name!r} ({self.dtype} [{axes}])"


def fixed_batch(specs: Sequence[InputSpec]) -> int | None:
    """The number of samples that the model takes per run, None where it takes any number."""
    if any(spec.whole for spec in specs):
        return 1
    return next((spec.shape[0] for spec in specs if spec.shape and spec.shape[0] is not None), None)
