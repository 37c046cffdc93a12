from __future__ import annotations

import numpy as np
import pytest

from pyq8.errors import DataError
from pyq8.metrics.sqnr import Sqnr, sqnr


def test_known_ratios() -> None:
    ref = np.array([3, 4], np.float32)
    assert sqnr(ref, ref * 1.1) == pytest.approx(20, abs=1e-5)
    assert sqnr(ref, ref * 0) == 0
    assert sqnr(ref, ref * 2) == 0
    assert sqnr(ref, -ref) == pytest.approx(-6.0206, abs=1e-4)


def test_the_ends_of_the_scale() -> None:
    zeros, ones = np.zeros(3), np.ones(3)
    assert sqnr(ones, ones) == np.inf
    assert sqnr(zeros, zeros) == np.inf
    assert sqnr(zeros, ones) == -np.inf
    assert sqnr(ones, ones * np.nan) == -np.inf
    assert sqnr(ones, ones * np.inf) == -np.inf


def test_it_is_over_all_elements_not_a_mean_of_ratios() -> None:
    loud, quiet = np.full((1, 4), 100.0), np.full((1, 4), 0.1)
    metric = Sqnr()
    metric.update(loud, loud + 1)
    metric.update(quiet, quiet + 1)
    assert metric.value == pytest.approx(10 * np.log10((100**2 + 0.1**2) / 2))
    assert metric.value != pytest.approx((sqnr(loud, loud + 1) + sqnr(quiet, quiet + 1)) / 2, abs=1)


def test_uint8_outputs_do_not_wrap() -> None:
    assert sqnr(np.array([10], np.uint8), np.array([11], np.uint8)) == pytest.approx(20)


def test_shapes_must_agree() -> None:
    with pytest.raises(DataError, match="differ in shape"):
        sqnr(np.ones(3), np.ones((3, 1)))
