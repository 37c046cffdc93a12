"""Cosine similarity of the outputs."""

from __future__ import annotations

import numpy as np

from pyq8.metrics.metric import METRICS, Labels, mean, rows
from pyq8.types import Array


@METRICS.register("cosine")
class Cosine:
    """Mean over the samples of ref . x / (|ref| |x|), each output flattened. Blind to a wrong scale.

    Two rows of zeros are alike (1), one is not (0), and a NaN is the worst there is (-1).
    """

    name = "cosine"
    needs_labels = False
    higher_is_better = True
    reference_value = None
    drop = None

    def __init__(self) -> None:
        self.samples = 0
        self._total = 0.0

    def update(self, reference: Array, candidate: Array, labels: Labels = ()) -> None:  # noqa: ARG002  # Metric
        """Add a batch; see `Metric.update`."""
        ref, x = rows(reference, candidate)
        lengths = np.linalg.norm(ref, axis=1) * np.linalg.norm(x, axis=1)
        both_zero = ~(ref.any(axis=1) | x.any(axis=1))
        cosines = np.sum(ref * x, axis=1) / np.where(lengths == 0, 1.0, lengths)
        cosines = np.where(both_zero, 1.0, np.nan_to_num(cosines, nan=-1.0))
        self.samples += len(ref)
        self._total += float(np.sum(cosines))

    @property
    def value(self) -> float:
        """The mean cosine, -1 to 1."""
        return mean(self._total, self.samples, self.name)
