"""An interval for a median that assumes no distribution."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

CONFIDENCE = 0.95


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The k-th smallest and the k-th largest of n values, and how sure it is that the true median lies between.

        P(x_(k) <= median <= x_(n+1-k)) >= 1 - 2 P(B < k),   B ~ Binomial(n, 1/2)

    k is the largest that reaches CONFIDENCE; with fewer than 6 values none reaches 0.95, and the smallest
    and largest are returned with the confidence they have (0.9375 for 5, 0 for 1).

    Args:
        values: independent, at least one.

    Returns:
        low, high, and their confidence.
    """
    ordered, n = sorted(values), len(values)
    k = max((k for k in range(1, n // 2 + 1) if _coverage(n, k) >= CONFIDENCE), default=1)
    return ordered[k - 1], ordered[n - k], _coverage(n, k)


def _coverage(n: int, k: int) -> float:
    return 1 - sum(comb(n, i) for i in range(k)) / 2.0 ** (n - 1)
