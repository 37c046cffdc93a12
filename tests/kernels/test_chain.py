from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyq8.kernels import safe_chain
from pyq8.kernels.chain import INT32_MAX


def largest_sum(peak: int, w: np.ndarray, chain: int) -> int:
    """The largest |sum| that any x within +-peak gives a chain."""
    starts = np.arange(0, w.shape[1], chain)
    return peak * int(np.add.reduceat(np.abs(w.astype(np.int64)), starts, axis=1).max())


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 6),
    products=st.integers(1, 3000),
    peak=st.integers(1, 32767),
    largest=st.integers(0, 32767),
    shape=st.sampled_from(["uniform", "maximal", "outlier"]),
)
def test_no_chain_overflows(seed: int, rows: int, products: int, peak: int, largest: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    w = rng.integers(-largest, largest + 1, (rows, products)).astype(np.int16)
    if shape == "maximal":
        w[:] = largest
    if shape == "outlier":
        w[:] = 0
        w[0, products // 2] = largest
    chain = safe_chain(peak, w)
    assert chain >= 2 and chain % 2 == 0
    assert largest_sum(peak, w, chain) <= INT32_MAX


@pytest.mark.parametrize(("bits", "expected"), [(15, 2), (14, 8), (13, 32), (12, 128), (11, 512)])
def test_chains_of_maximal_numbers(bits: int, expected: int) -> None:
    """n * (2^bits - 1)^2 < 2^31: as -2^bits is never used, one more than n * 2^(2 bits) < 2^31 allows."""
    peak = 2**bits - 1
    assert safe_chain(peak, np.full((3, 1024), -peak, np.int16)) == expected


def test_typical_weights_have_longer_chains_than_their_largest_allows() -> None:
    w = np.random.default_rng(0).normal(scale=1000, size=(64, 576)).clip(-4095, 4095).astype(np.int16)
    assert safe_chain(4095, w) >= 448
    assert safe_chain(4095, np.full_like(w, 4095)) == 128


def test_what_fits_whole_is_one_chain() -> None:
    assert safe_chain(8191, np.ones((2, 4607), np.int16)) == 4608
    assert safe_chain(0, np.full((1, 4), 32767, np.int16)) == 4


def test_one_large_value_shortens_the_chain_only_as_far_as_it_must() -> None:
    w = np.zeros((1, 640), np.int16)
    w[0, 320] = 32767
    assert safe_chain(32767, w) == 640
    w[0, 321:323] = 32767
    assert safe_chain(32767, w) == 2
