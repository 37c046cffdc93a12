"""mAP against faster-coco-eval's own figures, and redrawn images against images that are really there twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import faster_coco_eval as coco
import numpy as np
import pytest

from pyq8.detection.boxes import Detections
from pyq8.detection.detector import Detector
from pyq8.detection.truth import Objects, Truth
from pyq8.errors import DataError
from pyq8.gate.accuracy_demand import estimate
from pyq8.loaders import Loader, Preprocess
from pyq8.metrics.average_precision import Map, Map50, MapVoc, MeanAveragePrecision
from pyq8.metrics.metric import Outputs
from pyq8.types import Array

RNG = np.random.default_rng(0)
IMAGES = 12


def random_boxes(count: int) -> Array:
    corner, sides = RNG.uniform(0, 60, (count, 2)), RNG.uniform(5, 40, (count, 2))
    return np.concatenate([corner, corner + sides], axis=1)


def scene() -> tuple[list[Objects], list[Detections]]:
    """Objects of three categories, some crowds; detections near them, wrong ones, and images without either."""
    objects, found = [], []
    for i in range(IMAGES):
        count = int(RNG.integers(1, 6)) if i else 0
        boxes, labels = random_boxes(count), RNG.integers(1, 4, count)
        objects.append(Objects(boxes, labels, RNG.random(count) < 0.15, (100, 100)))
        near = np.concatenate([boxes + RNG.normal(0, 2.5, boxes.shape), random_boxes(3)])
        names = np.concatenate([np.where(RNG.random(count) < 0.9, labels, 1), RNG.integers(1, 4, 3)])
        found.append(Detections(near, RNG.random(count + 3), names))
    return objects, found


OBJECTS, FOUND = scene()


def measured(
    kind: type[MeanAveragePrecision], order: list[int], size: tuple[int, int] = (100, 100)
) -> MeanAveragePrecision:
    truth = Truth({str(i): OBJECTS[image] for i, image in enumerate(order)}, "")
    metric = kind(truth, Detector("boxes", "scores", "labels"))
    stretch = np.array([size[1], size[0]] * 2) / 100
    for i, image in enumerate(order):
        one = FOUND[image]
        outputs = {"boxes": one.boxes[None] * stretch, "scores": one.scores[None], "labels": one.labels[None]}
        metric.update_all(Outputs(outputs, outputs, [None], [str(i)], size))
    return metric


def official() -> Any:
    """What faster-coco-eval says of the same, by the way it documents."""

    def rows(images: Any, last: str) -> list[dict[str, Any]]:
        return [
            {"image_id": i, "category_id": int(n), "bbox": [*map(float, (*b[:2], *(b[2:] - b[:2])))], last: float(x)}
            for i, one in enumerate(images)
            for b, n, x in zip(one.boxes, one.labels, one.scores if last == "score" else one.ignored, strict=True)
        ]

    annotations = rows(OBJECTS, "iscrowd")
    for key, one in enumerate(annotations, start=1):
        one |= {"id": key, "area": one["bbox"][2] * one["bbox"][3], "iscrowd": int(one["iscrowd"])}
    images = [{"id": i, "width": 100, "height": 100} for i in range(IMAGES)]
    categories = [{"id": i, "name": str(i)} for i in (1, 2, 3)]
    truth = coco.COCO({"images": images, "categories": categories, "annotations": annotations})
    results = rows(FOUND, "score")
    evaluation = coco.COCOeval_faster(truth, truth.loadRes(results), "bbox", print_function=lambda *_: None)
    evaluation.run()
    return evaluation.stats


def test_it_is_what_faster_coco_eval_says() -> None:
    stats = official()
    order = list(range(IMAGES))
    assert measured(Map, order).value == pytest.approx(100 * stats[0], abs=1e-9)
    assert measured(Map50, order).value == pytest.approx(100 * stats[1], abs=1e-9)
    assert 20 < measured(Map50, order).value < 95
    assert measured(Map50, order).informative == IMAGES - 1


@pytest.mark.parametrize("kind", [Map, Map50, MapVoc])
def test_an_image_that_counts_twice_is_as_if_it_were_there_twice(kind: type[MeanAveragePrecision]) -> None:
    metric = measured(kind, list(range(IMAGES)))
    drawn = RNG.integers(0, IMAGES, (5, IMAGES))
    counts = np.stack([np.bincount(row, minlength=IMAGES) for row in drawn]).astype(float)
    found = metric.score(metric.results, counts)
    for row, score in zip(drawn, found, strict=True):
        assert measured(kind, sorted(row.tolist())).value == pytest.approx(score, abs=1e-9)


def test_the_exact_area_of_a_case_by_hand() -> None:
    objects = Objects(np.array([[0, 0, 10, 10], [20, 20, 30, 30.0]]), np.array([1, 1]), np.zeros(2, bool), (100, 100))
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 30.0]])
    outputs = {"boxes": boxes[None], "scores": np.array([[0.9, 0.8, 0.7]]), "labels": np.ones((1, 3))}
    metric = MapVoc(Truth({"a": objects}, ""), Detector("boxes", "scores", "labels"))
    metric.update_all(Outputs(outputs, outputs, [None], ["a"], (100, 100)))
    assert metric.value == pytest.approx(100 * (0.5 * 1 + 0.5 * 2 / 3))


def test_what_is_found_in_a_crowd_does_not_count() -> None:
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60.0]])
    outputs = {"boxes": boxes[None], "scores": np.array([[0.1, 0.9]]), "labels": np.ones((1, 2))}
    values = []
    for count in (2, 1):
        crowd = np.array([False, True])[:count]
        objects = Objects(boxes[:count], np.ones(count, int), crowd, (100, 100))
        metric = Map50(Truth({"a": objects}, ""), Detector("boxes", "scores", "labels"))
        metric.update_all(Outputs(outputs, outputs, [None], ["a"], (100, 100)))
        values.append(metric.value)
    assert values == pytest.approx([100, 50])


def test_images_without_objects_are_no_evidence() -> None:
    few = np.zeros((0, 4))
    objects = [
        OBJECTS[1] if i < 3 else Objects(few, np.zeros(0, int), np.zeros(0, bool), (100, 100)) for i in range(30)
    ]
    metric = Map50(Truth({str(i): one for i, one in enumerate(objects)}, ""), Detector("boxes", "scores", "labels"))
    for i in range(30):
        outputs = {"boxes": FOUND[1].boxes[None], "scores": FOUND[1].scores[None], "labels": FOUND[1].labels[None]}
        metric.update_all(Outputs(outputs, outputs, [None], [str(i)], (100, 100)))
    row = estimate("", metric, 0.95)
    assert (metric.samples, metric.informative) == (30, 3)
    assert (row.drop, row.low, row.high) == (0, -np.inf, np.inf)


def test_a_stretched_input_gives_the_same() -> None:
    assert measured(Map, list(range(IMAGES)), (50, 300)).value == pytest.approx(
        measured(Map, list(range(IMAGES))).value
    )


def test_boxes_go_where_a_letterbox_puts_their_image() -> None:
    preprocess = Preprocess("p", letterbox=(300, 500))  # of 100 x 100: three times as large, 100 from the left
    metric = Map(Truth({str(i): one for i, one in enumerate(OBJECTS)}, ""), Detector("boxes", "scores", "labels"))
    metric.check_data(cast(Loader, SimpleNamespace(preprocess=SimpleNamespace(preprocess=preprocess))))
    for i, one in enumerate(FOUND):
        boxes = one.boxes[None] * 3 + [100, 0, 100, 0]
        outputs = {"boxes": boxes, "scores": one.scores[None], "labels": one.labels[None]}
        metric.update_all(Outputs(outputs, outputs, [None], [str(i)], (300, 500)))
    assert metric.value == pytest.approx(measured(Map, list(range(IMAGES))).value)


def test_fp32s_own_detections_are_the_truth_without_annotations() -> None:
    metric = Map50(None, Detector("boxes", "scores", "labels"))
    for i, one in enumerate(FOUND):
        before = {"boxes": one.boxes[None], "scores": one.scores[None], "labels": one.labels[None]}
        after = {**before, "boxes": one.boxes[None] + 30}
        metric.update_all(Outputs(before, before if i % 4 else after, [None], [str(i)], (100, 100)))
    assert metric.reference_value == pytest.approx(100)
    assert 20 < metric.value < 80
    assert metric.drop == pytest.approx(100 - metric.value)


def test_a_model_that_finds_nothing_scores_0_and_one_that_is_not_annotated_is_refused() -> None:
    nothing = {"boxes": np.zeros((1, 0, 4)), "scores": np.zeros((1, 0)), "labels": np.zeros((1, 0))}
    metric = Map50(Truth({"a": OBJECTS[1]}, ""), Detector("boxes", "scores", "labels"))
    metric.update_all(Outputs(nothing, nothing, [None], ["a"], (100, 100)))
    assert metric.value == 0
    with pytest.raises(DataError, match=r"image b is not in annotations\.json"):
        metric.update_all(Outputs(nothing, nothing, [None], ["b"], (100, 100)))
    empty = Map50(None, Detector("boxes", "scores", "labels"))
    empty.update_all(Outputs(nothing, nothing, [None], ["a"], (100, 100)))
    with pytest.raises(DataError, match="no detections of FP32"):
        _ = empty.reference_results
