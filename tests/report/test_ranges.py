"""Histograms and ranges."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import affine
from pyq8.calibration.observers import OBSERVERS
from pyq8.report.ranges import compare_ranges
from pyq8.report.shapes import histogram, place
from pyq8.types import Plan
from tests.calibration.observers.stats_of import stats_of


def test_what_lies_outside_the_range_is_counted() -> None:
    values = np.concatenate([np.linspace(0, 1, 990), np.full(10, 8.0)]).astype(np.float32)
    stats = stats_of(values)
    plan = Plan({"x": affine.choose_qparams(0.0, 2.0)}, (), {})
    (found,) = compare_ranges({"x": stats}, plan, {"x": 20.0})
    assert found.clipped == pytest.approx(0.01)
    assert sum(found.counts) == 1000 and found.counts[-1] == 10
    assert (found.low, found.high) == (0.0, 8.0) and found.chosen == pytest.approx((0, 2))
    assert {choice.observer for choice in found.others} == set(OBSERVERS)
    assert next(c for c in found.others if c.observer == "minmax").high == 8.0
    assert place(2.0, found, 100) == 25 and histogram(found).count("H") == len(found.counts)


def test_the_lowest_sqnr_comes_first_and_unknown_ones_last() -> None:
    stats = stats_of(np.linspace(-1, 1, 100).astype(np.float32))
    plan = Plan({name: affine.choose_qparams(-1.0, 1.0) for name in "abc"}, (), {})
    found = compare_ranges(dict.fromkeys("abc", stats), plan, {"b": 30.0, "c": 10.0})
    assert [r.tensor for r in found] == ["c", "b", "a"]
