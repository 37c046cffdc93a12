"""Classification accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pyq8.errors import DataError
from pyq8.metrics.metric import METRICS, Labels, Metric, rows
from pyq8.types import Array


class TopK(Metric):
    """Percentage of the labelled samples whose label is among the k largest scores.

    Of equal scores the first counts as larger, as in argmax.
    """

    k: int
    needs_labels = True

    def rate(self, reference: Array, candidate: Array, labels: Labels) -> tuple[Array | None, Array]:
        """1 where the label is found, of (N, classes) scores; samples whose label is None do not count."""
        ref, x = rows(reference, candidate)
        if len(labels) != len(ref):
            raise DataError(f"{self.name}: {len(ref)} outputs and {len(labels)} labels")
        known = [i for i, label in enumerate(labels) if label is not None]
        wanted = [label for label in labels if label is not None]
        check_labels(wanted, ref.shape[1])
        before, after = self._hits(ref[known], wanted), self._hits(x[known], wanted)
        return before[:, None].astype(np.float64), after[:, None].astype(np.float64)

    def _hits(self, scores: Array, labels: Sequence[int]) -> npt.NDArray[np.bool_]:
        """(N,) whether fewer than k scores come before the label's."""
        classes = scores.shape[1]
        index = np.asarray(labels, dtype=np.intp).reshape(-1, 1)
        own = np.take_along_axis(scores, index, axis=1)
        earlier = np.arange(classes) < index
        ahead = np.sum((scores > own) | ((scores == own) & earlier), axis=1)
        hits: npt.NDArray[np.bool_] = (ahead < self.k) & ~np.isnan(scores).any(axis=1)
        return hits


def check_labels(labels: Labels, classes: int) -> None:
    """Refuse class indices that the model does not have.

    Raises:
        DataError: naming the first.
    """
    bad = next((label for label in labels if label is not None and not 0 <= label < classes), None)
    if bad is not None:
        raise DataError(f"label {bad}, but the model has {classes} classes (from 0); correct the labels")


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
