"""Do both models decide alike?"""

from __future__ import annotations

import numpy as np

from pyq8.metrics.metric import METRICS, Labels, mean, rows
from pyq8.types import Array


@METRICS.register("agreement")
class Agreement:
    """Percentage of the samples for which FP32 and the quantized model name the same class (argmax).

    Needs no labels. A sample with a NaN in either output is one of disagreement.
    """

    name = "agreement"
    needs_labels = False
    higher_is_better = True
    reference_value = 100.0

    def __init__(self) -> None:
        self.samples = 0
        self._same = 0

    def update(self, reference: Array, candidate: Array, labels: Labels = ()) -> None:  # noqa: ARG002  # Metric
        """Add a batch of (N, classes) scores; see `Metric.update`."""
        ref, x = rows(reference, candidate)
        same = np.argmax(ref, axis=1) == np.argmax(x, axis=1)
        same &= ~(np.isnan(ref) | np.isnan(x)).any(axis=1)
        self.samples += len(ref)
        self._same += int(same.sum())

    @property
    def value(self) -> float:
        """Agreement in percent."""
        return 100 * mean(self._same, self.samples, self.name)

    @property
    def drop(self) -> float:
        """100 - agreement, in percentage points."""
        return 100 - self.value
