"""Sums of products of every two columns, in whole numbers: compiled, or numpy elsewhere; the same numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pyq8.kernels import library
from pyq8.kernels.arguments import address, compiled, demand, index, shape_of

MOST = (2**31 - 1) // 255**2
"""Rows of which int32 holds any sum of products of two numbers below 256."""
EXACT = (2**24 - 1) // 255**2
"""Of which float32 does, in whatever order they are added."""


def add_gram(
    products: npt.NDArray[np.int32],
    sums: npt.NDArray[np.int32],
    rows: npt.NDArray[np.uint8],
    zero: int,
    part: int = 0,
    parts: int = 1,
) -> None:
    """With x = rows[g] - zero: products[g] += x^T x, on and above the diagonal (below is undefined); sums[g] += sum x.

    Args:
        products: int32 [G, K, K], changed; of MOST rows in all, at most.
        sums: int32 [G, K], changed.
        rows: uint8 [G, N, K].
        zero: 0 to 255.
        part: computed is this one of `parts`, 0 to parts - 1; others may be computed at the same time.
        parts: likewise.

    Raises:
        DataError: an array of another type or layout.
        MemoryError: there is no room for a copy of a group's rows.
    """
    groups, count, columns = shape_of("rows", rows, 3)
    demand("rows", rows, np.uint8, rows.shape)
    demand("products", products, np.int32, (groups, columns, columns))
    demand("sums", sums, np.int32, (groups, columns))
    isa = library.chosen()
    if isa not in (library.REFERENCE, "scalar"):  # numpy's matrix products are faster than plain C++
        numbers = groups, count, columns, zero, part, parts
        if compiled().pyq8_gram(index(isa), address(rows), *numbers, address(products), address(sums)):
            raise MemoryError(f"pyq8.kernels: no memory for {count} rows of {columns}")
        return
    for start in range(0, count if part == 0 else 0, EXACT):
        x = rows[:, start : start + EXACT].astype(np.float32) - np.float32(zero)
        products += np.matmul(x.transpose(0, 2, 1), x).astype(np.int32)
        sums += x.sum(axis=1).astype(np.int32)
