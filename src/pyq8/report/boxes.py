"""What two detectors found in the same image, object by object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyq8.detection.boxes import Detections, overlap
from pyq8.types import Array

SURE = 0.5
"""Score from which on an object is found."""
SAME = 0.5
"""Intersection over union from which on two boxes of a category are the same object."""


@dataclass(frozen=True)
class Box:
    """One object.

    Args:
        left: pixels of the model's input.
        top: likewise.
        right: likewise.
        bottom: likewise.
        score: 0..1.
        label: category.
        missed: whether the other model has not found it.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float
    label: int
    missed: bool


@dataclass(frozen=True)
class Objects:
    """What both models found in one image.

    Args:
        reference: of FP32.
        candidate: of the quantized model.
        distance: summed; of a missed object what its score is above the one that the other model gives it, of the
            others half of what scores and overlaps differ by.
    """

    reference: tuple[Box, ...]
    candidate: tuple[Box, ...]
    distance: float

    @property
    def differing(self) -> int:
        """How many objects only one of both has found."""
        return sum(box.missed for box in (*self.reference, *self.candidate))


def compare_objects(reference: Detections, candidate: Detections) -> Objects:
    """Pair the objects of the same category, the best first."""
    ours, theirs = (found.take(found.scores >= SURE) for found in (reference, candidate))
    partner: dict[int, int] = {}
    distance = 0.0
    for i in range(len(ours)):
        same = _overlaps(ours, i, theirs)
        same[list(partner.values())] = 0.0
        if same.max(initial=0.0) >= SAME:
            partner[i] = j = int(np.argmax(same))
            distance += (abs(float(ours.scores[i] - theirs.scores[j])) + 1 - float(same[j])) / 2
    alone = (
        [i for i in range(len(ours)) if i not in partner],
        [j for j in range(len(theirs)) if j not in partner.values()],
    )
    distance += sum(_surplus(ours, i, candidate) for i in alone[0])
    distance += sum(_surplus(theirs, j, reference) for j in alone[1])
    return Objects(_boxes(ours, alone[0]), _boxes(theirs, alone[1]), distance)


def _overlaps(found: Detections, index: int, others: Detections) -> Array:
    """Intersection over union of one object with those of its category; 0 with others."""
    return np.where(others.labels == found.labels[index], overlap(found.boxes[index], others.boxes), 0.0)


def _surplus(found: Detections, index: int, others: Detections) -> float:
    """What the score of an object is above the best that the other model gives it, which may be 0."""
    near = others.scores[_overlaps(found, index, others) >= SAME]
    return float(found.scores[index]) - min(float(near.max(initial=0.0)), float(found.scores[index]))


def _boxes(found: Detections, alone: list[int]) -> tuple[Box, ...]:
    boxes = []
    for i, label in enumerate(found.labels):
        left, top, right, bottom = map(float, found.boxes[i])
        boxes.append(Box(left, top, right, bottom, float(found.scores[i]), int(label), i in alone))
    return tuple(boxes)
