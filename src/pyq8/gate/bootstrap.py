"""How sure a score is that is no proportion: images drawn again and again from those there are.

BCa: the quantiles of the redrawn scores, moved by how far their median lies from the score (bias), and by how the
score's spread changes with its value (acceleration, from leaving out one image at a time). Scores that are no smooth
function of means, as mAP, have no such corrections. Theirs are the plain quantiles, moved so that the mean of the draws
is the score (an image drawn twice flatters a detector) and 1 + WIDER / sqrt(N) times as far from it: mAP itself is
biased by about 1 / N, and simulated detectors on 50 to 400 images need that much.

Source: B. Efron, Better bootstrap confidence intervals, JASA 82 (1987).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np

from pyq8.gate.interval import Interval
from pyq8.types import Array

FEWEST = 10
"""Images below which redrawing says nothing."""
DRAWS = 2000
WIDER = 4
CELLS = 4_000_000
"""Counts held at a time."""


def bootstrap(
    score: Callable[[Array], Array],
    samples: int,
    confidence: float,
    *,
    draws: int = DRAWS,
    smooth: bool = True,
    seed: int = 0,
) -> Interval:
    """Bounds of a score over images; everything there is below FEWEST images.

    Args:
        score: (R, N) how often each image counts -> (R,) scores; inf and -inf are scores too, nan says that there is
            nothing to score in these images: they are drawn no more.
        samples: N.
        confidence: of each bound.
        draws: how often images are drawn.
        smooth: whether the score is a smooth function of means.
        seed: the same seed, the same bounds.
    """
    if samples < FEWEST:
        return Interval(-math.inf, math.inf)
    value = float(score(np.ones((1, samples)))[0])
    found = np.concatenate([score(counts) for counts in _draw(samples, draws, seed)])
    found = np.sort(found[~np.isnan(found)])
    if len(found) < draws / 2:
        return Interval(-math.inf, math.inf)
    draws = len(found)
    if found[0] == found[-1]:
        return Interval(float(found[0]), float(found[0]))
    normal = NormalDist()
    bias, acceleration = 0.0, 0.0
    if not smooth:
        found = value + (1 + WIDER / math.sqrt(samples)) * (found - np.mean(found))
    else:
        below = (np.sum(found < value) + 0.5 * np.sum(found == value)) / draws
        bias = normal.inv_cdf(min(max(float(below), 0.5 / draws), 1 - 0.5 / draws))
        acceleration = _acceleration(np.concatenate([score(counts) for counts in _leave_one_out(samples)]))
    low, high = (
        found[min(draws - 1, int(draws * normal.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))))]
        for z in (normal.inv_cdf(1 - confidence), normal.inv_cdf(confidence))
    )
    return Interval(float(low), float(high))


def _draw(samples: int, draws: int, seed: int) -> Iterator[Array]:
    rng = np.random.default_rng(seed)
    rows = max(1, CELLS // samples)
    for start in range(0, draws, rows):
        drawn = rng.integers(0, samples, (min(rows, draws - start), samples))
        yield np.stack([np.bincount(row, minlength=samples) for row in drawn]).astype(np.float64)


def _leave_one_out(samples: int) -> Iterator[Array]:
    rows = max(1, CELLS // samples)
    for start in range(0, samples, rows):
        counts = np.ones((min(rows, samples - start), samples))
        counts[np.arange(len(counts)), start + np.arange(len(counts))] = 0
        yield counts


def _acceleration(scores: Array) -> float:
    """Skewness of the influence of one image, / 6."""
    away = np.mean(scores) - scores
    spread = float(np.sum(away**2))
    if not math.isfinite(spread) or spread == 0:
        return 0.0
    return float(np.sum(away**3) / (6 * spread**1.5))
