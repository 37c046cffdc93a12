"""What a metric is, and the registry of all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from pyq8.errors import DataError
from pyq8.registry import Registry
from pyq8.types import Array

Labels = Sequence[int | None]
"""One a sample; None where it is not known."""


class Metric(Protocol):
    """Accumulates over batches; what it says does not depend on how the samples were batched.

    A NaN in the candidate counts as wrong, never as unknown: a broken model must fail its gate.
    """

    name: str
    needs_labels: bool
    higher_is_better: bool

    def update(self, reference: Array, candidate: Array, labels: Labels) -> None:
        """Add a batch.

        Args:
            reference: (N, ...) output of the FP32 model.
            candidate: (N, ...) output of the quantized model.
            labels: N of them; empty where the metric needs none.

        Raises:
            DataError: shapes differ, or labels are missing or out of range.
        """
        ...

    @property
    def samples(self) -> int:
        """How many samples counted."""
        ...

    @property
    def reference_value(self) -> float | None:
        """What the FP32 model scores by itself; None where it is the yardstick."""
        ...

    @property
    def value(self) -> float:
        """The score of the quantized model.

        Raises:
            DataError: no sample counted.
        """
        ...

    @property
    def drop(self) -> float | None:
        """What a gate compares with `max_drop`, in percentage points, positive for a loss.

        None where the value is compared with a minimum instead (dB, cosine).
        """
        ...


METRICS: Registry[Callable[[], Metric]] = Registry("metric")


def rows(reference: Array, candidate: Array) -> tuple[Array, Array]:
    """Both outputs as (N, values of a sample) float64.

    Raises:
        DataError: their shapes differ, or there is no axis of samples.
    """
    if reference.shape != candidate.shape or reference.ndim == 0:
        raise DataError(f"outputs differ in shape: FP32 {reference.shape}, quantized {candidate.shape}")
    shape = (len(reference), int(np.prod(reference.shape[1:])))
    return reference.astype(np.float64).reshape(shape), candidate.astype(np.float64).reshape(shape)


def mean(total: float, samples: int, name: str) -> float:
    """total / samples.

    Raises:
        DataError: there are no samples.
    """
    if samples == 0:
        raise DataError(f"{name}: nothing to judge: no samples, or none with the label it needs")
    return total / samples
