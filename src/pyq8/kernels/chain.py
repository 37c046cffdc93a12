"""How many products INT32 holds, proven: peak * sum|w| < 2^31 over every chain.

The same search as csrc/int16/chain.cc: a chain is found in granules of 16 * 2^i products, the coarsest first of which
there are at most 16.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

INT32_MAX = 2**31 - 1
LIMIT = 32767
"""Of mantissas: -32768 is never used, so that two products always fit INT32."""
FINEST = 8
"""Steps (of two products) that are bounded as one."""
GRANULES = 16


def safe_chain(peak: int, w: npt.NDArray[np.int16]) -> int:
    """The longest chain found for which no INT32 sum can overflow, whatever the other operand within +-peak.

        peak * sum over the chain of |w| < 2^31      for every row and every chain

    Args:
        peak: max|x| of the other operand, 1 to 32767 (0 counts as 1).
        w: int16 [rows, products], a row's products in the order in which they are added; of a weight [k, r, s, c]
            with even c that is `w.reshape(k, -1)`.

    Returns:
        Products, even: all of a row (rounded up to even), or a multiple of 16, or less where one large value asks for
        it; at least 2.
    """
    rows, products = w.shape
    steps = (products + 1) // 2
    padded = np.zeros((rows, steps * 2), dtype=np.int64)
    padded[:, :products] = np.abs(w.astype(np.int64))
    of_step = padded.reshape(rows, steps, 2).sum(axis=2)
    peak = max(peak, 1)
    granule = FINEST
    while granule * GRANULES < steps:
        granule *= 2
    while granule >= FINEST:
        starts = np.arange(0, steps, granule)
        before = np.zeros((rows, len(starts) + 1), dtype=np.int64)
        np.cumsum(np.add.reduceat(of_step, starts, axis=1), axis=1, out=before[:, 1:])
        n = _longest(before, peak)
        if n:
            return 2 * steps if n == len(starts) else 2 * n * granule
        granule //= 2
    unsafe = padded[np.any(np.diff(before, axis=1) * peak > INT32_MAX, axis=1)]
    return 2 * min(FINEST, max(1, INT32_MAX // (2 * int(unsafe.max()) * peak)))


def _longest(before: npt.NDArray[np.int64], peak: int) -> int:
    """The most neighbouring granules that are safe wherever they begin."""
    low, high = 0, before.shape[1] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if np.all((before[:, middle:] - before[:, :-middle]) * peak <= INT32_MAX):
            low = middle
        else:
            high = middle - 1
    return low
