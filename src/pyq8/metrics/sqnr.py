"""Signal to quantization noise ratio."""

from __future__ import annotations

import numpy as np

from pyq8.metrics.metric import METRICS, Labels, Metric, rows
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
class Sqnr(Metric):
    """10 log10(sum ref^2 / sum (ref - x)^2) in dB, over all elements of all samples.

    6.02 dB are one bit. Equal outputs give inf; a reference of zeros, or a NaN, gives -inf.
    """

    name = "sqnr"
    unit = "dB"
    yardstick = True

    def rate(self, reference: Array, candidate: Array, labels: Labels) -> tuple[Array | None, Array]:  # noqa: ARG002
        """(signal, noise); see `Metric.rate`."""
        ref, x = rows(reference, candidate)
        noise = np.sum(np.square(np.subtract(ref, x, out=x)), axis=1)
        return None, np.stack([np.sum(np.square(ref), axis=1), noise], axis=1)

    def total(self, mean: Array) -> Array:
        """In dB."""
        return decibel(mean[..., 0], mean[..., 1])


def decibel(signal: Array | float, noise: Array | float) -> Array:
    """10 log10(signal / noise); inf without noise, -inf without signal or where the noise is not a number."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(np.divide(signal, noise))
    known = np.isfinite(noise) & np.not_equal(signal, 0)
    return np.where(np.equal(noise, 0), np.inf, np.where(known, ratio, -np.inf))
