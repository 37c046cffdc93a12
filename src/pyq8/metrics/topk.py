"""Classification accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pyq8.errors import DataError
from pyq8.metrics.metric import METRICS, Labels, mean, rows
from pyq8.types import Array


class TopK:
    """Percentage of the labelled samples whose label is among the k largest scores.

    Of equal scores the first counts as larger, as in argmax. `lost` and `won` count the samples that
    only FP32, or only the quantized model, has right: all that the confidence of `drop` depends on.
    """

    name: str
    k: int
    needs_labels = True
    higher_is_better = True

    def __init__(self) -> None:
        self.samples = 0
        self.lost = 0
        self.won = 0
        self._right = 0

    def update(self, reference: Array, candidate: Array, labels: Labels) -> None:
        """Add a batch of (N, classes) scores; samples whose label is None do not count."""
        ref, x = rows(reference, candidate)
        if len(labels) != len(ref):
            raise DataError(f"{self.name}: {len(ref)} outputs and {len(labels)} labels")
        known = [i for i, label in enumerate(labels) if label is not None]
        wanted = [label for label in labels if label is not None]
        before = self._hits(ref[known], wanted)
        after = self._hits(x[known], wanted)
        self.samples += len(known)
        self._right += int(before.sum())
        self.lost += int((before & ~after).sum())
        self.won += int((after & ~before).sum())

    @property
    def reference_value(self) -> float:
        """Accuracy of the FP32 model, in percent."""
        return 100 * mean(self._right, self.samples, self.name)

    @property
    def value(self) -> float:
        """Accuracy of the quantized model, in percent."""
        return 100 * mean(self._right - self.lost + self.won, self.samples, self.name)

    @property
    def drop(self) -> float:
        """FP32's accuracy less the quantized model's, in percentage points."""
        return 100 * mean(self.lost - self.won, self.samples, self.name)

    def _hits(self, scores: Array, labels: Sequence[int]) -> npt.NDArray[np.bool_]:
        """(N,) whether fewer than k scores come before the label's."""
        classes = scores.shape[1]
        bad = [label for label in labels if not 0 <= label < classes]
        if bad:
            raise DataError(
                f"{self.name}: label {bad[0]}, but the model has {classes} classes (from 0); correct the labels"
            )
        index = np.asarray(labels, dtype=np.intp).reshape(-1, 1)
        own = np.take_along_axis(scores, index, axis=1)
        earlier = np.arange(classes) < index
        ahead = np.sum((scores > own) | ((scores == own) & earlier), axis=1)
        hits: npt.NDArray[np.bool_] = (ahead < self.k) & ~np.isnan(scores).any(axis=1)
        return hits


@METRICS.register("top1")
class Top1(TopK):
    """Percentage of the labelled samples whose label has the largest score."""

    name = "top1"
    k = 1


@METRICS.register("top5")
class Top5(TopK):
    """Percentage of the labelled samples whose label is among the five largest scores."""

    name = "top5"
    k = 5
