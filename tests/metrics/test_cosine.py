from __future__ import annotations

import numpy as np
import pytest

from pyq8.metrics.cosine import Cosine
from pyq8.types import Array


def cosine(ref: Array, x: Array) -> float:
    metric = Cosine()
    metric.update(ref, x)
    return metric.value


def test_the_mean_over_samples_not_over_all_elements() -> None:
    ref = np.array([[1, 0], [100, 0]], np.float32)
    assert cosine(ref, np.array([[0, 1], [100, 0]], np.float32)) == pytest.approx(0.5)


def test_a_row_is_the_whole_output_of_a_sample() -> None:
    ref = np.random.default_rng(0).normal(size=(3, 2, 4, 4))
    assert cosine(ref, ref) == pytest.approx(1)
    assert cosine(ref, -ref) == pytest.approx(-1)


def test_it_is_blind_to_scale_as_documented() -> None:
    assert cosine(np.ones((2, 3)), np.ones((2, 3)) * 7) == pytest.approx(1)


def test_rows_of_zeros_and_nan() -> None:
    zero, one = np.zeros((1, 3)), np.ones((1, 3))
    assert cosine(zero, zero) == 1
    assert cosine(one, zero) == 0
    assert cosine(one, one * np.nan) == -1
