"""The known range of a Softmax or Sigmoid stays, unless what was seen of it is worth a whole bit."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.calibration.observers import OBSERVERS
from pyq8.calibration.observers.known import choose_known
from pyq8.types import UINT8
from tests.calibration.observers.stats_of import stats_of

KNOWN = (0.0, 1.0)
ALL = ["percentile", "mse", "kl", "minmax"]


@pytest.mark.parametrize("observer", ALL)
@pytest.mark.parametrize("largest", [0.51, 0.7, 1.0])
def test_less_than_a_bit_changes_nothing(largest: float, observer: str) -> None:
    values = np.linspace(0, largest, 10_000, dtype=np.float32)

    assert choose_known(stats_of(values), UINT8, KNOWN, OBSERVERS.get(observer)) == KNOWN


@pytest.mark.parametrize("observer", ALL)
@pytest.mark.parametrize("largest", [0.4, 0.01, 1e-6])
def test_a_range_that_is_hardly_used_is_the_one_that_was_seen(largest: float, observer: str) -> None:
    values = np.linspace(0, largest, 10_000, dtype=np.float32)

    low, high = choose_known(stats_of(values), UINT8, KNOWN, OBSERVERS.get(observer))

    assert (low, high) == pytest.approx((0, largest), abs=largest / 20)


def test_a_rare_peak_is_no_outlier() -> None:
    """Percentile would cut it off, at more than what a finer step is worth."""
    stats = stats_of(np.append(np.linspace(0, 0.1, 200_000), 0.45))
    percentile = OBSERVERS.get("percentile")

    assert percentile.choose(stats, UINT8)[1] < 0.11
    assert choose_known(stats, UINT8, KNOWN, percentile)[1] == pytest.approx(0.45)
