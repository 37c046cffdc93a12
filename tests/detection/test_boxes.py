from __future__ import annotations

import numpy as np
import pytest

from pyq8.detection.boxes import FORMS, Detections, overlap, suppress, to_corners


def test_every_form_of_the_same_box() -> None:
    given = {"xyxy": [1, 2, 4, 8], "yxyx": [2, 1, 8, 4], "xywh": [1, 2, 3, 6], "cxcywh": [2.5, 5, 3, 6]}
    assert set(given) == set(FORMS)
    for form, box in given.items():
        assert to_corners(np.array([box], float), form).tolist() == [[1, 2, 4, 8]]


def test_overlap_is_intersection_over_union() -> None:
    box = np.array([0.0, 0, 2, 2])
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 2, 3, 3], [5, 5, 5, 5]], float)
    assert overlap(box, others) == pytest.approx([1, 1 / 3, 0, 0])


def test_of_overlapping_boxes_of_a_label_the_best_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 9], [20, 20, 30, 30]], float)
    found = Detections(boxes, np.array([0.5, 0.9, 0.8, 0.1]), np.array([1, 1, 2, 1]))
    kept = suppress(found, 0.5, 100)
    assert kept.scores.tolist() == [0.9, 0.8, 0.1]
    assert len(suppress(found, 1.0, 100)) == 4
    assert suppress(found, 0.5, 2).scores.tolist() == [0.9, 0.8]
