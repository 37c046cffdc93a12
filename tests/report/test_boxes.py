"""Objects of two detectors, paired."""

from __future__ import annotations

import numpy as np

from pyq8.detection.boxes import Detections
from pyq8.report.boxes import compare_objects


def found(*rows: tuple[int, float, int]) -> Detections:
    """Squares of side 10 whose left edge, score and category are given."""
    boxes = np.array([[left, 0, left + 10, 10] for left, _, _ in rows], np.float64).reshape(-1, 4)
    return Detections(boxes, np.array([r[1] for r in rows]), np.array([r[2] for r in rows], np.int64))


def test_the_same_objects_in_another_order_are_no_difference() -> None:
    objects = compare_objects(found((0, 0.9, 1), (50, 0.8, 2)), found((50, 0.8, 2), (0, 0.9, 1)))
    assert (objects.differing, objects.distance) == (0, 0)


def test_a_moved_box_is_the_same_object_a_far_one_is_not() -> None:
    near, far = (compare_objects(found((0, 0.9, 1)), found((x, 0.9, 1))) for x in (2, 20))
    assert near.differing == 0 and 0 < near.distance < 0.5
    assert far.differing == 2 and far.distance > near.distance


def test_another_category_is_another_object() -> None:
    assert compare_objects(found((0, 0.9, 1)), found((0, 0.9, 2))).differing == 2


def test_an_object_just_below_the_score_is_missed_less_than_one_that_is_not_there() -> None:
    below, gone = (
        compare_objects(found((0, 0.55, 1)), found((0, 0.45, 1))),
        compare_objects(found((0, 0.55, 1)), found()),
    )
    assert below.differing == gone.differing == 1
    assert below.reference[0].missed and not below.candidate
    assert below.distance < gone.distance


def test_one_box_stands_for_one_object_only() -> None:
    assert compare_objects(found((0, 0.9, 1), (1, 0.8, 1)), found((0, 0.9, 1))).differing == 1
