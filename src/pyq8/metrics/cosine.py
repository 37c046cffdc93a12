"""Cosine similarity of the outputs."""

from __future__ import annotations

import numpy as np

from pyq8.metrics.metric import METRICS, Labels, Metric, rows
from pyq8.types import Array


@METRICS.register("cosine")
class Cosine(Metric):
    """Mean over the samples of ref . x / (|ref| |x|), each output flattened. Blind to a wrong scale.

    Two rows of zeros are alike (1), one is not (0), and a NaN is the worst there is (-1).
    """

    name = "cosine"
    unit = ""
    yardstick = True

    def rate(self, reference: Array, candidate: Array, labels: Labels) -> tuple[Array | None, Array]:  # noqa: ARG002
        """The cosine; see `Metric.rate`."""
        ref, x = rows(reference, candidate)
        lengths = np.linalg.norm(ref, axis=1) * np.linalg.norm(x, axis=1)
        both_zero = ~(ref.any(axis=1) | x.any(axis=1))
        cosines = np.sum(ref * x, axis=1) / np.where(lengths == 0, 1.0, lengths)
        return None, np.where(both_zero, 1.0, np.nan_to_num(cosines, nan=-1.0))[:, None]
