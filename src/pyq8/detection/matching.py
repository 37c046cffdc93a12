"""Which detections find an object: faster-coco-eval decides, at one IoU threshold after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyq8.detection.boxes import Detections
from pyq8.detection.truth import Objects
from pyq8.errors import UsageError
from pyq8.types import Array

FOUND, WRONG, IGNORED = 1.0, 0.0, -1.0


def match(found: Sequence[Detections], objects: Sequence[Objects], thresholds: Sequence[float]) -> Array:
    """One row a detection: image, label, score, then FOUND, WRONG or IGNORED at every threshold.

    Args:
        found: of every image.
        objects: of every image, boxes in the same pixels.
        thresholds: of the intersection over union.

    Returns:
        (D, 3 + thresholds) float64, in the order of images and detections.

    Raises:
        UsageError: faster-coco-eval is not installed.
    """
    coco, evaluator = load_evaluator()
    rows = [(i, int(n), float(s)) for i, one in enumerate(found) for n, s in zip(one.labels, one.scores, strict=True)]
    table = np.zeros((len(rows), 3 + len(thresholds)))
    if not rows:
        return table
    table[:, :3] = rows
    boxes = np.concatenate([one.boxes for one in found])
    results: list[dict[str, Any]] = [
        {"image_id": i + 1, "category_id": label, "bbox": _xywh(box), "score": score}
        for (i, label, score), box in zip(rows, boxes, strict=True)
    ]
    annotations: list[dict[str, Any]] = [
        {"image_id": i + 1, "category_id": int(label), "bbox": _xywh(box), "iscrowd": int(ignored)}
        for i, one in enumerate(objects)
        for box, label, ignored in zip(one.boxes, one.labels, one.ignored, strict=True)
    ]
    for key, annotation in enumerate(annotations, start=1):
        annotation |= {"id": key, "area": annotation["bbox"][2] * annotation["bbox"][3]}
    ignored = {one["id"] for one in annotations if one["iscrowd"]}
    labels = sorted({one["category_id"] for one in (*annotations, *results)})
    truth = coco(
        {
            "images": [{"id": i + 1, "width": 1, "height": 1} for i in range(len(objects))],
            "categories": [{"id": label, "name": str(label)} for label in labels],
            "annotations": annotations,
        }
    )
    answers = truth.loadRes(results)  # numbers them from 1, in order
    evaluation = evaluator(truth, answers, "bbox", print_function=_silent)
    for column, threshold in enumerate(thresholds, start=3):
        for pair in _matched(evaluation, threshold):
            detection, one = map(int, pair.split("_"))
            table[detection - 1, column] = IGNORED if one in ignored else FOUND
    return table


def load_evaluator() -> tuple[Any, Any]:
    """faster-coco-eval's annotations and evaluator.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        raise UsageError("mAP needs faster-coco-eval; install it with: pip install 'pyq8[detection]'") from None
    return COCO, COCOeval_faster


def _matched(evaluation: Any, threshold: float) -> Sequence[str]:
    """ "detection_object" of every match."""
    evaluation.params.iouThrs = np.array([threshold])
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
    evaluation.params.maxDets = [1000]
    evaluation.evaluate()
    evaluation.accumulate()
    overlaps = evaluation.ious
    evaluation.computeIoU = lambda image, label: overlaps[image, label]  # the same at the next threshold
    return list(evaluation.eval["matched"])


def _xywh(box: Array) -> list[float]:
    left, top, right, bottom = map(float, box)
    return [left, top, right - left, bottom - top]


def _silent(*_: object) -> None:
    """It logs otherwise."""
