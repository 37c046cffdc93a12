"""Do both models decide alike?"""

from __future__ import annotations

import numpy as np

from pyq8.metrics.metric import METRICS, Labels, Metric, rows
from pyq8.types import Array


@METRICS.register("agreement")
class Agreement(Metric):
    """Percentage of the samples for which FP32 and the quantized model name the same class (argmax).

    Needs no labels. A sample with a NaN in either output is one of disagreement. FP32 agrees with itself: 100.
    """

    name = "agreement"

    def rate(self, reference: Array, candidate: Array, labels: Labels) -> tuple[Array | None, Array]:  # noqa: ARG002
        """1 where they agree, of (N, classes) scores; see `Metric.rate`."""
        ref, x = rows(reference, candidate)
        same = np.argmax(ref, axis=1) == np.argmax(x, axis=1)
        same &= ~(np.isnan(ref) | np.isnan(x)).any(axis=1)
        return np.ones((len(ref), 1)), same[:, None].astype(np.float64)
