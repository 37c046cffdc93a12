"""Sums of products: the same numbers from every instruction set, whatever the sizes."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.errors import DataError
from pyq8.kernels.gram import EXACT, MOST, add_gram


@pytest.fixture(params=(*kernels.isas(), "reference"), autouse=True)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYQ8_ISA", request.param)


@pytest.mark.parametrize("columns", [1, 7, 9, 12, 16, 17, 33, 130])
@pytest.mark.parametrize(("groups", "rows"), [(1, 1), (3, 2), (2, 259), (1, EXACT), (1, 1023)])
@pytest.mark.parametrize("parts", [1, 3])
def test_every_two_columns(groups: int, rows: int, columns: int, parts: int) -> None:
    rng = np.random.default_rng(rows)
    x = rng.integers(0, 256, (groups, rows, columns), dtype=np.uint8)
    before = rng.integers(-1000, 1000, (groups, columns, columns), dtype=np.int32)

    products, sums = before.copy(), np.ones((groups, columns), np.int32)
    for part in range(parts):
        add_gram(products, sums, x, 7, part, parts)

    centred = x.astype(np.int64) - 7
    assert np.array_equal(sums, 1 + centred.sum(axis=1))
    assert np.array_equal(np.triu(products), np.triu(before + centred.transpose(0, 2, 1) @ centred))


@pytest.mark.parametrize("zero", [0, 255])
def test_the_largest_sums_are_exact(zero: int) -> None:
    products = np.zeros((1, 3, 3), np.int32)

    add_gram(products, np.zeros((1, 3), np.int32), np.full((1, MOST, 3), 255 - zero, np.uint8), zero)

    assert np.array_equal(np.triu(products[0]), np.triu(np.full((3, 3), MOST * 255**2)))


def test_rows_of_another_layout_are_refused() -> None:
    x = np.zeros((1, 5, 4), np.uint8).transpose(0, 2, 1)
    with pytest.raises(DataError, match="not C-contiguous"):
        add_gram(np.zeros((1, 5, 5), np.int32), np.zeros((1, 5), np.int32), x, 0)
