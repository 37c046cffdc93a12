"""Which samples are taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def select(count: int, samples: int | None, seed: int | None) -> Sequence[int]:
    """Indices of the samples to take, ascending.

    Args:
        count: how many there are.
        samples: how many to take, None for all.
        seed: None takes the first ones; a number draws them at random, the same ones for the same seed.
    """
    if samples is None or samples >= count:
        return range(count)
    if seed is None:
        return range(samples)
    drawn = np.random.default_rng(seed).choice(count, size=samples, replace=False)
    return sorted(drawn.tolist())
