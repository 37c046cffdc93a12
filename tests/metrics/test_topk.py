from __future__ import annotations

import numpy as np
import pytest

from pyq8.errors import DataError
from pyq8.metrics.topk import Top1, Top5

RIGHT = np.eye(6)


def test_values_and_drop_are_percentages() -> None:
    metric = Top1()
    candidate = RIGHT.copy()
    candidate[0] = RIGHT[1]
    candidate[1] = RIGHT[2]
    reference = RIGHT.copy()
    reference[5] = RIGHT[0]

    metric.update(reference, candidate, [0, 1, 2, 3, 4, 5])

    assert metric.reference_value == pytest.approx(500 / 6)
    assert metric.value == pytest.approx(400 / 6)
    assert metric.drop == pytest.approx(100 / 6)
    assert metric.results.ravel().tolist() == [0, 0, 1, 1, 1, 1]
    assert metric.reference_results is not None
    assert metric.reference_results.ravel().tolist() == [1, 1, 1, 1, 1, 0]


def test_only_labelled_samples_count() -> None:
    metric = Top1()
    metric.update(RIGHT, RIGHT, [0, None, 0, None, 4, None])
    assert metric.samples == 3
    assert metric.value == pytest.approx(200 / 3)


def test_all_unlabelled_is_refused() -> None:
    metric = Top1()
    metric.update(RIGHT, RIGHT, [None] * 6)
    with pytest.raises(DataError, match="none with the label"):
        _ = metric.drop


def test_the_fifth_counts_and_the_sixth_does_not() -> None:
    scores = np.tile(np.arange(6.0)[::-1], (2, 1))
    metric = Top5()
    metric.update(scores, scores, [4, 5])
    assert metric.value == 50


def test_equal_scores_are_ranked_as_argmax_does() -> None:
    scores = np.zeros((3, 6))
    first, fifth = Top1(), Top5()
    first.update(scores, scores, [0, 1, 5])
    fifth.update(scores, scores, [0, 4, 5])
    assert first.value == pytest.approx(100 / 3)
    assert fifth.value == pytest.approx(200 / 3)


def test_scores_may_come_with_axes_of_one() -> None:
    metric = Top1()
    metric.update(RIGHT.reshape(6, 6, 1, 1), RIGHT.reshape(6, 6, 1, 1), list(range(6)))
    assert metric.value == 100


def test_minus_infinity_is_a_score_and_nan_is_wrong() -> None:
    logs = np.where(RIGHT == 1, 0, -np.inf)
    metric = Top1()
    metric.update(logs, np.full((6, 6), np.nan), list(range(6)))
    assert (metric.reference_value, metric.value, metric.drop) == (100, 0, 100)


def test_labels_that_cannot_be_are_refused() -> None:
    with pytest.raises(DataError, match="label 6, but the model has 6 classes"):
        Top1().update(RIGHT, RIGHT, [0, 1, 2, 3, 4, 6])
    with pytest.raises(DataError, match="6 outputs and 0 labels"):
        Top1().update(RIGHT, RIGHT, [])
