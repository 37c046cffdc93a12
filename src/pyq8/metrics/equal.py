"""Integers and truth values are the same or not: there is no noise to measure."""

from __future__ import annotations

import numpy as np

from pyq8.errors import DataError
from pyq8.metrics.metric import METRICS, Labels, Metric
from pyq8.types import Array


@METRICS.register("equal")
class Equal(Metric):
    """Percentage of the elements that are equal, the mean over the samples. FP32 is equal to itself: 100.

    For outputs of integers, bool or text, as those of ArgMax or Greater. Empty ones are equal.
    """

    name = "equal"

    def rate(self, reference: Array, candidate: Array, labels: Labels) -> tuple[Array | None, Array]:  # noqa: ARG002
        """The share of equal elements; see `Metric.rate`."""
        if reference.shape != candidate.shape or reference.ndim == 0:
            raise DataError(f"outputs differ in shape: FP32 {reference.shape}, quantized {candidate.shape}")
        same = np.equal(reference, candidate).reshape(len(reference), int(np.prod(reference.shape[1:])))
        share = np.mean(same, axis=1, keepdims=True) if same.shape[1] else np.ones((len(same), 1))
        return np.ones((len(same), 1)), share
