"""What a metric is, and the registry of all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pyq8.errors import DataError
from pyq8.registry import Registry
from pyq8.types import Array

Labels = Sequence[int | None]
"""One a sample; None where it is not known."""


class Metric(ABC):
    """Keeps a few numbers an image, `results` (N, k), and scores any selection of the images by their mean.

    What it says does not depend on how the samples were batched. A NaN in the candidate counts as wrong, never as
    unknown: a broken model must fail its gate. Higher is better.
    """

    name: str
    needs_labels = False
    unit = "points"
    """Of the score and of the drop: "points" (the score is a percentage), "dB", or "" for a number of its own."""
    yardstick = False
    """Whether FP32 is the yardstick and has no score: the value must reach a minimum, there is no drop."""
    draws = 2000
    """How often images are drawn again for the interval of a score that is no proportion."""
    smooth = True
    """Whether the score is a smooth function of the mean of the results."""

    def __init__(self) -> None:
        self._reference: list[Array] = []
        self._candidate: list[Array] = []

    @abstractmethod
    def rate(self, reference: Array, candidate: Array, labels: Labels) -> tuple[Array | None, Array]:
        """Results (N, k) of FP32, None where it is the yardstick, and of the quantized model; float64.

        Args:
            reference: (N, ...) output of the FP32 model.
            candidate: (N, ...) output of the quantized model.
            labels: N of them; empty where the metric needs none.

        Raises:
            DataError: shapes differ, or labels are missing or out of range.
        """

    def total(self, mean: Array) -> Array:
        """Score (...) of images by their mean result (..., k): its first number, in percent where `unit` is points."""
        return 100 * mean[..., 0] if self.unit == "points" else mean[..., 0]

    def update(self, reference: Array, candidate: Array, labels: Labels = ()) -> None:
        """Add a batch; see `rate`."""
        before, after = self.rate(reference, candidate, labels)
        if before is not None:
            self._reference.append(before)
        self._candidate.append(after)

    @property
    def samples(self) -> int:
        """How many samples counted."""
        return sum(len(part) for part in self._candidate)

    @property
    def informative(self) -> int:
        """How many samples can change the score."""
        return self.samples

    @property
    def results(self) -> Array:
        """Of the quantized model: (N, k) float64."""
        return np.concatenate(self._candidate)

    @property
    def reference_results(self) -> Array | None:
        """Of the FP32 model; None where it is the yardstick."""
        return np.concatenate(self._reference) if self._reference else None

    def score(self, results: Array, counts: Array | None = None) -> Array:
        """Scores (R,) of `results` with every image counted as often as the rows of `counts` (R, N) say; None: once."""
        counts = np.ones((1, len(results))) if counts is None else counts
        return self.total(counts @ results / np.sum(counts, axis=1, keepdims=True))

    @property
    def reference_value(self) -> float | None:
        """What the FP32 model scores by itself; None where it is the yardstick."""
        self._check()
        results = self.reference_results
        return None if results is None else float(self.score(results)[0])

    @property
    def value(self) -> float:
        """The score of the quantized model.

        Raises:
            DataError: no sample counted.
        """
        self._check()
        return float(self.score(self.results)[0])

    @property
    def drop(self) -> float | None:
        """FP32's score less the quantized model's; None where the score is compared with a minimum instead."""
        before = self.reference_value
        return None if before is None else before - self.value

    def _check(self) -> None:
        if self.samples == 0:
            raise DataError(f"{self.name}: nothing to judge: no samples, or none with the label it needs")


@dataclass(frozen=True)
class Outputs:
    """All outputs of both models for some images.

    Args:
        reference: of FP32, by name; the batch is the first axis where the model has one.
        candidate: of the quantized model.
        labels: one an image.
        names: of the images.
        size: (height, width) of the input in pixels; None where the input is no image.
    """

    reference: Mapping[str, Array]
    candidate: Mapping[str, Array]
    labels: Labels
    names: Sequence[str]
    size: tuple[int, int] | None = None


class OutputsMetric(Metric):
    """A metric that needs all outputs at a time."""

    @abstractmethod
    def update_all(self, outputs: Outputs) -> None:
        """Add a batch."""

    def rate(self, reference: Array, candidate: Array, labels: Labels) -> tuple[Array | None, Array]:
        """Not asked: `update_all` is."""
        raise NotImplementedError


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


def is_real(output: Array) -> bool:
    """Whether its values are real numbers, of which a difference is noise; integers, bool and text are equal or not."""
    return output.dtype.kind not in "biuOSU"


def is_proportion(results: Array) -> bool:
    """Whether every image is either right, 1, or wrong, 0."""
    return results.ndim == 2 and results.shape[1] == 1 and bool(np.isin(results, (0, 1)).all())
