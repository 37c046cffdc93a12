"""How sure a measured drop is: the score interval of the difference of two paired proportions.

Only the images on which the models differ carry information: `lost` that only FP32 has right, `won` that only the
quantized model has right. With p, q their probabilities, d = p - q the drop, and q(d) the likeliest q under a given d,
a drop of d is refuted by fewer lost images than expected when

    n d - (lost - won) - c  >=  z sqrt(n (2 q(d) + d (1 - d)))

and the upper bound is the smallest d that is refuted; the lower bound is the same with the roles exchanged.
c = 1/2 - (z^2 - 1) / 6 * d / (2 q(d) + d) corrects for counts being whole and their distribution being skewed. Without
it the bound errs up to 6 % (below) and 9 % (above) of the time instead of 5 % where few images differ.

Source: T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
design, Statistics in Medicine 17 (1998); the correction is the first terms of Cornish and Fisher's expansion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

FOREVER = 10**8
"""More images than anyone has."""


@dataclass(frozen=True)
class Interval:
    """Two one-sided bounds: the true value is above `low`, and it is below `high`, each with the confidence given."""

    low: float
    high: float


def paired_drop(lost: float, won: float, samples: float, confidence: float) -> Interval:
    """Bounds of the drop of a proportion, as a fraction -1..1.

    Args:
        lost: images that only FP32 has right.
        won: images that only the quantized model has right.
        samples: images in all, those on which both agree included.
        confidence: of each bound, above 0.5.
    """
    return Interval(
        0.0 - _upper(won, lost, samples, confidence),
        _upper(lost, won, samples, confidence),
    )


def refuted(drop: Any, lost: Any, won: Any, samples: Any, confidence: float) -> Any:
    """Whether so few lost images refute a true drop of `drop` or more; numbers or arrays."""
    z = NormalDist().inv_cdf(confidence)
    differ, spread = lost + won, drop * (1 - drop)
    b = -differ + (2 * samples - lost + won) * drop
    root = np.sqrt(np.maximum(b * b + 8 * samples * won * spread, 0))
    other = np.maximum((root - b) / (4 * samples), 0)
    total = np.maximum(2 * other + drop, 1e-300)  # the likeliest share of images that differ
    correction = 0.5 - (z * z - 1) / 6 * drop / total
    surplus = samples * drop - (lost - won) - correction
    return surplus >= z * np.sqrt(np.maximum(samples * (2 * other + spread), 0))


def images_needed(lost: int, won: int, samples: int, limit: float, confidence: float) -> int | None:
    """How many images would settle whether the drop exceeds `limit`, if models went on differing as often.

    Args:
        lost: as for `paired_drop`.
        won: likewise.
        samples: likewise.
        limit: as a fraction.
        confidence: of each bound.

    Returns:
        None where no number would: the drop measured is the limit.
    """

    def settled(count: int) -> bool:
        share = count / samples
        found = paired_drop(lost * share, won * share, count, confidence)
        return found.high <= limit or found.low > limit

    enough = samples
    while not settled(enough):
        enough *= 2
        if enough > FOREVER:
            return None
    few = enough // 2
    while enough - few > max(1, enough // 100):
        middle = (few + enough) // 2
        few, enough = (few, middle) if settled(middle) else (middle, enough)
    return enough


def _upper(lost: float, won: float, samples: float, confidence: float) -> float:
    low, high = (lost - won) / samples, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if refuted(middle, lost, won, samples, confidence) else (middle, high)
    if lost == won == 0:  # (1 - d)^n is exact: 3 / n at 95 %
        high = min(high, 1 - math.pow(1 - confidence, 1 / samples))
    return high
