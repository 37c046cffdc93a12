"""Signal to quantization noise ratio."""

from __future__ import annotations

import numpy as np

from pyq8.metrics.metric import METRICS, Labels, mean, rows
from pyq8.types import Array


def sqnr(ref: Array, x: Array) -> float:
    """10 log10(sum ref^2 / sum (ref - x)^2) in dB over all elements; inf where they are equal.

    Raises:
        DataError: shapes differ.
    """
    metric = Sqnr()
    metric.update(np.atleast_1d(ref), np.atleast_1d(x))
    return metric.value


@METRICS.register("sqnr")
class Sqnr:
    """10 log10(sum ref^2 / sum (ref - x)^2) in dB, over all elements of all samples.

    6.02 dB are one bit. Equal outputs give inf; a reference of zeros, or a NaN, gives -inf.
    """

    name = "sqnr"
    needs_labels = False
    higher_is_better = True
    reference_value = None
    drop = None

    def __init__(self) -> None:
        self.samples = 0
        self._signal = 0.0
        self._noise = 0.0

    def update(self, reference: Array, candidate: Array, labels: Labels = ()) -> None:  # noqa: ARG002  # Metric
        """Add a batch; see `Metric.update`."""
        ref, x = rows(reference, candidate)
        self.samples += len(ref)
        self._signal += float(np.sum(np.square(ref)))
        self._noise += float(np.sum(np.square(np.subtract(ref, x, out=x))))

    @property
    def value(self) -> float:
        """The ratio in dB."""
        mean(0, self.samples, self.name)
        return decibel(self._signal, self._noise)


def decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise); inf without noise, -inf without signal or where the noise is not a number."""
    if noise == 0:
        return np.inf
    if not np.isfinite(noise) or signal == 0:
        return -np.inf
    return float(10 * np.log10(signal / noise))
