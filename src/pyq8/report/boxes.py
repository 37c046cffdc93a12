"""What two detectors found in the same image, object by object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyq8.detection.boxes import Detections, overlap
from pyq8.detection.detector import Detector, guess_detector
from pyq8.errors import DataError
from pyq8.types import Array

SHOWN = 0.3
"""Score from which on an object is drawn."""
SURE = 0.5
"""Score from which on it counts: what one model is sure of, the other must have found too."""
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
        missed: whether the other model, of which this one is sure, has not found it.
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
        distance: summed scores of the missed objects, and half of what scores and overlaps of the others differ by.
    """

    reference: tuple[Box, ...]
    candidate: tuple[Box, ...]
    distance: float

    @property
    def differing(self) -> int:
        """How many objects only one of both is sure of."""
        return sum(box.missed for box in (*self.reference, *self.candidate))


def find_detector(outputs: Mapping[str, Array]) -> Detector | None:
    """How to read the outputs of one image; None where they hold no boxes that are known by name."""
    try:
        return guess_detector(outputs)
    except DataError:
        return None


def compare_objects(reference: Detections, candidate: Detections) -> Objects:
    """Pair the objects of the same category, the best first."""
    pairs: dict[int, tuple[int, float]] = {}
    for i in range(len(reference)):
        same = np.where(candidate.labels == reference.labels[i], overlap(reference.boxes[i], candidate.boxes), 0.0)
        same[[j for j, _ in pairs.values()]] = 0.0
        if same.size and same.max() >= SAME:
            pairs[i] = (int(np.argmax(same)), float(same.max()))
    partners = {j: i for i, (j, _) in pairs.items()}
    distance = sum(
        (abs(reference.scores[i] - candidate.scores[j]) + 1 - iou) / 2
        for i, (j, iou) in pairs.items()
        if max(reference.scores[i], candidate.scores[j]) >= SURE
    )
    ours = _boxes(reference, [pairs[i][0] if i in pairs else None for i in range(len(reference))], candidate)
    theirs = _boxes(candidate, [partners.get(j) for j in range(len(candidate))], reference)
    distance += sum(box.score for box in (*ours, *theirs) if box.missed)
    return Objects(ours, theirs, float(distance))


def _boxes(found: Detections, partner: list[int | None], other: Detections) -> tuple[Box, ...]:
    """Those worth drawing; an object is missed where the other's score for it is below SHOWN."""
    boxes = []
    for i in np.flatnonzero(found.scores >= SHOWN):
        match = partner[i]
        missed = found.scores[i] >= SURE and (match is None or other.scores[match] < SHOWN)
        left, top, right, bottom = map(float, found.boxes[i])
        boxes.append(Box(left, top, right, bottom, float(found.scores[i]), int(found.labels[i]), bool(missed)))
    return tuple(boxes)
