"""percentile: at most TAIL of the values lie beyond either end, and no bin more could be cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.calibration.observers import OBSERVERS
from pyq8.calibration.observers.percentile import TAIL
from pyq8.types import UINT8
from tests.calibration.observers.stats_of import stats_of

FEW = int(0.5 / TAIL)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(300_000, 500_000), shift=st.floats(-4, 4))
def test_it_keeps_what_it_says(seed: int, size: int, shift: float) -> None:
    values = (np.random.default_rng(seed).standard_normal(size, np.float32) + np.float32(shift)).astype(np.float32)
    stats = stats_of(values)
    assert stats.histogram is not None
    width = 2.0**stats.histogram.exponent

    low, high = OBSERVERS.get("percentile").choose(stats, UINT8)

    allowed = TAIL * size
    assert np.count_nonzero(values < low) <= allowed
    assert np.count_nonzero(values >= high) <= allowed
    assert np.count_nonzero(values < low + width) > allowed
    assert np.count_nonzero(values >= high - width) > allowed or high == stats.max


@given(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=200))
def test_fewer_values_than_one_in_the_tail_are_all_kept(values: list[float]) -> None:
    assert len(values) < FEW

    assert OBSERVERS.get("percentile").choose(stats_of(values), UINT8) == (min(values), max(values))


def test_the_tails_are_counted_apart() -> None:
    values = np.zeros(10 * FEW, np.float32)
    values[:1000] = np.linspace(1, 2, 1000)

    low, high = OBSERVERS.get("percentile").choose(stats_of(values), UINT8)

    assert low == 0
    assert high == pytest.approx(2, rel=0.01)
