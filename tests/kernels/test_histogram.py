"""Ends and bins of a tensor: the same numbers from every instruction set, whatever the values."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from pyq8 import kernels
from pyq8.errors import DataError
from pyq8.kernels.histogram import BLOCK, count_bins, ends
from pyq8.stats import BINS

SIZES = (1, 3, 511, 513, 2 * BLOCK + 5)


@pytest.fixture(params=(*kernels.isas(), "reference"), autouse=True)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYQ8_ISA", request.param)
    return str(request.param)


def values(kind: str, size: int) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(size)
    x = rng.normal(scale=900, size=size)
    made = {"signed": x, "rectified": np.maximum(x, 0), "zeros": x * 0, "negative": -abs(x), "tiny": x * 1e-44}[kind]
    clipped: npt.NDArray[np.float32] = np.clip(made, -4095.9, 4095.9).astype(np.float32)
    return clipped


@pytest.mark.parametrize("kind", ["signed", "rectified", "zeros", "negative", "tiny"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1.0, 0.25, 2.0**-100])
def test_every_value_is_counted_where_it_lies(kind: str, size: int, scale: float) -> None:
    x = values(kind, size)

    bins = np.floor(x.astype(np.float64) * scale).astype(np.int64) + BINS

    assert np.array_equal(count_bins(x, scale), np.bincount(bins, minlength=2 * BINS))


def test_the_outermost_bins_are_used() -> None:
    x = np.array([4096 - 2.0**-12, -4096], np.float32)
    counts = count_bins(x, 1.0)
    assert (counts[-1], counts[0], counts.sum()) == (1, 1, 2)


@pytest.mark.parametrize("size", SIZES)
def test_the_ends_are_found_wherever_they_are(size: int) -> None:
    for place in {0, size // 2, size - 1}:
        x = np.random.default_rng(1).normal(size=size).astype(np.float32)
        x[place] = -9
        assert ends(x) == (-9, -9 if size == 1 else x.max())
        assert ends(-x) == ((-x).min(), 9)


@pytest.mark.parametrize("bad", [math.nan, -math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_not_missed(bad: float) -> None:
    x = np.zeros(100, np.float32)
    x[70] = np.copysign(np.float32(math.nan), np.float32(bad)) if math.isnan(bad) else bad
    assert not all(map(math.isfinite, ends(x)))


def test_another_type_is_refused() -> None:
    with pytest.raises(DataError, match="x is float64"):
        ends(np.zeros(3))  # type: ignore[arg-type]
