"""Which images are remembered, and what is said of them."""

from __future__ import annotations

import numpy as np

from pyq8.metrics.metric import Outputs
from pyq8.report.worst import KEPT, Watcher, Worst
from pyq8.types import Array


def watch(reference: Array, candidate: Array) -> Worst:
    watcher = Watcher(None)
    for i, (x, y) in enumerate(zip(reference, candidate, strict=True)):
        image = {"x": np.full((1, 3, 4, 4), i, np.float32)}
        watcher(Outputs({"y": x[None]}, {"y": y[None]}, [i], [f"{i}.png"], (4, 4)), image)
    return watcher.worst()


def test_images_with_different_answers_come_first_the_clearest_before() -> None:
    reference = np.array([[2.0, 0], [1.2, 0], [9.0, 0], [1.2, 0]])
    candidate = np.array([[0.0, 2], [0.0, 1.2], [8.0, 0], [1.1, 0]])
    worst = watch(reference, candidate)
    assert [case.name for case in worst.cases][:2] == ["0.png", "1.png"]
    assert [case.differs for case in worst.cases] == [True, True, False, False]
    assert (worst.differing, worst.samples, worst.kind) == (2, 4, "classes")
    assert worst.cases[0].reference[0][0] == 0 and worst.cases[0].candidate[0][0] == 1


def test_probabilities_are_not_made_probabilities_again() -> None:
    (case,) = watch(np.array([[0.7, 0.3]]), np.array([[0.6, 0.4]])).cases
    assert case.reference == ((0, 0.7), (1, 0.3))


def test_few_are_kept_however_many_there_are() -> None:
    reference = np.tile([1.0, 0.0], (40, 1))
    candidate = np.stack([np.array([1.0, 0.01 * i]) for i in range(40)])
    worst = watch(reference, candidate)
    assert [case.name for case in worst.cases] == [f"{i}.png" for i in range(39, 39 - KEPT, -1)]


def test_other_outputs_are_compared_by_their_error() -> None:
    reference = np.ones((2, 2, 3, 3))
    worst = watch(reference, reference + np.array([0.01, 0.1]).reshape(2, 1, 1, 1))
    assert worst.kind == "values" and [case.text for case in worst.cases] == ["SQNR 20.0 dB", "SQNR 40.0 dB"]
