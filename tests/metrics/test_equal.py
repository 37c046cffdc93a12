"""The share of equal elements, for outputs of which a difference is no noise."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.errors import DataError, UsageError
from pyq8.gate.accuracy_demand import choose
from pyq8.metrics import METRICS
from pyq8.metrics.metric import Outputs
from pyq8.verify.accuracy import Tally


def outputs(**pairs: object) -> Outputs:
    refs, outs = ({name: np.asarray(pair[i]) for name, pair in pairs.items()} for i in (0, 1))  # type: ignore[index]
    count = len(next(iter(refs.values())))
    return Outputs(refs, outs, (None,) * count, tuple(map(str, range(count))))


@pytest.mark.parametrize("kind", [np.int64, np.uint8, bool, str])
def test_the_share_of_equal_elements_whatever_their_size(kind: type) -> None:
    metric = METRICS.get("equal")()

    metric.update(np.array([[0, 1], [1, 0]]).astype(kind), np.array([[0, 1], [0, 0]]).astype(kind))
    metric.update(np.zeros((2, 2)).astype(kind), np.zeros((2, 2)).astype(kind))

    assert (metric.value, metric.reference_value, metric.drop) == (87.5, 100, 12.5)


def test_large_integers_are_told_apart() -> None:
    metric = METRICS.get("equal")()

    metric.update(np.array([2**60]), np.array([2**60 + 1]))

    assert metric.value == 0


def test_nothing_is_equal_to_nothing_and_other_shapes_are_refused() -> None:
    metric = METRICS.get("equal")()
    metric.update(np.zeros((2, 0), np.int64), np.zeros((2, 0), np.int64))

    assert metric.value == 100
    with pytest.raises(DataError, match="differ in shape"):
        metric.update(np.zeros((2, 1), np.int64), np.zeros((2, 2), np.int64))


def test_integers_have_no_sqnr() -> None:
    tally = Tally()
    tally.add(outputs(best=([[3, 4]], [[3, 5]]), mask=([True], [True]), y=([[1.0, 2.0]], [[1.0, 2.5]])))
    found = {key: metric.value for key, metric in tally.counted().items()}

    assert set(found) == {("best", "equal"), ("mask", "equal"), ("y", "cosine"), ("y", "sqnr")}
    assert (found["best", "equal"], found["mask", "equal"]) == (50, 100)
    assert choose(tally.counted(), None) == ("y", "sqnr")


def test_integers_alone_are_judged_by_what_is_equal() -> None:
    tally = Tally()
    tally.add(outputs(best=([[3, 4]], [[3, 5]])))

    assert choose(tally.counted(), None) == ("best", "equal")


def test_sqnr_that_is_asked_for_is_of_the_first_output_of_real_numbers() -> None:
    tally = Tally(METRICS.get("sqnr")())
    tally.add(outputs(best=([[3]], [[4]]), y=([[1.0]], [[0.9]])))
    (key,) = tally.counted()

    assert key == ("y", "sqnr")
    with pytest.raises(UsageError, match=r"metric 'cosine' needs real numbers, and no output has any; try equal"):
        Tally(METRICS.get("cosine")()).add(outputs(best=([[3]], [[4]])))
