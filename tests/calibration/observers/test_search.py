"""shrink: both ends are found to a fine step, and never leave the values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.calibration.observers.search import STEPS, shrink
from pyq8.stats import TensorStats


@given(low=st.floats(-10, -3), high=st.floats(6, 20))
def test_both_ends_of_the_smallest_loss_are_found(low: float, high: float) -> None:
    stats = TensorStats(-10, 20, 1)

    found = shrink(stats, lambda a, b: (a - low) ** 2 + (b - high) ** 2, 0.2)

    fine = 2 / STEPS / (STEPS / 4)
    assert found == pytest.approx((low, high), abs=20 * fine)


def test_the_widest_of_equal_ranges_wins() -> None:
    assert shrink(TensorStats(-1, 2, 1), lambda a, b: 0.0, 0.2) == (-1, 2)  # noqa: ARG005


@pytest.mark.parametrize("smallest", [0.2, 0.5])
def test_an_end_moves_down_to_the_smallest_share(smallest: float) -> None:
    found = shrink(TensorStats(-10, 20, 1), lambda a, b: b - a, smallest)

    assert found == pytest.approx((-10 * smallest, 20 * smallest))


def test_a_range_on_one_side_of_0_is_searched_from_0_and_ends_at_the_values() -> None:
    assert shrink(TensorStats(3, 5, 1), lambda a, b: b - a, 0.2) == (3, 3)
    assert shrink(TensorStats(-5, -3, 1), lambda a, b: b - a, 0.2) == (-3, -3)
