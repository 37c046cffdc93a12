"""What a detector found in an image, and how boxes overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyq8.types import Array

FORMS = ("xyxy", "yxyx", "xywh", "cxcywh")


@dataclass(frozen=True, eq=False)
class Detections:
    """Objects of one image.

    Args:
        boxes: (K, 4) float64, left, top, right, bottom in pixels of the model's input.
        scores: (K,) float64.
        labels: (K,) int64, category ids.
    """

    boxes: Array
    scores: Array
    labels: Array

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: Array) -> Detections:
        """Some of them, by index or mask."""
        return Detections(self.boxes[index], self.scores[index], self.labels[index])

    def best(self, count: int) -> Detections:
        """Those with the highest scores, highest first; of equal ones the first."""
        return self.take(np.argsort(-self.scores, kind="stable")[:count])


def to_corners(boxes: Array, form: str) -> Array:
    """(K, 4) boxes of another form as left, top, right, bottom."""
    a, b, c, d = boxes.T
    corners = {
        "xyxy": (a, b, c, d),
        "yxyx": (b, a, d, c),
        "xywh": (a, b, a + c, b + d),
        "cxcywh": (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
    }
    return np.stack(corners[form], axis=1)


def suppress(found: Detections, iou: float, count: int) -> Detections:
    """Greedy non-maximum suppression a label: a box that overlaps a better one by more than `iou` goes.

    Args:
        found: in any order.
        iou: intersection over union.
        count: how many are kept, the best of all labels.
    """
    found = found.best(len(found))
    left, kept = np.ones(len(found), bool), []
    for i in range(len(found)):
        if left[i]:
            kept.append(i)
            if len(kept) == count:
                break
            rivals = np.flatnonzero(left[i + 1 :] & (found.labels[i + 1 :] == found.labels[i])) + i + 1
            left[rivals[overlap(found.boxes[i], found.boxes[rivals]) > iou]] = False
    return found.take(np.array(kept, int))


def overlap(box: Array, others: Array) -> Array:
    """Intersection over union of one box (4,) with others (K, 4): (K,)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - common
    return np.asarray(common / np.maximum(union, 1e-12))
