from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyq8.detection.truth import read_truth
from pyq8.errors import DataError

IMAGES = [
    {"id": 7, "file_name": "a.png", "width": 20, "height": 10},
    {"id": 8, "file_name": "b.png", "width": 5, "height": 5},
]
OBJECT = {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}


def write(folder: Path, content: Any) -> Path:
    (folder / "annotations.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_boxes_labels_and_crowds_by_file_name(tmp_path: Path) -> None:
    annotations = [OBJECT, {**OBJECT, "iscrowd": 1}]
    truth = read_truth(write(tmp_path, {"images": IMAGES, "annotations": annotations}))
    one = truth.images["a.png"]
    assert one.boxes.tolist() == [[1, 2, 4, 6]] * 2 and one.labels.tolist() == [3, 3]
    assert one.ignored.tolist() == [False, True] and one.size == (10, 20)
    assert len(truth.images["b.png"].boxes) == 0
    again = read_truth(write(tmp_path, {"images": IMAGES, "annotations": [OBJECT]}))
    assert again.sha256 != truth.sha256


@pytest.mark.parametrize(
    ("content", "word"),
    [("{", "not in COCO form"), ([], "not in COCO form"), ({"images": IMAGES}, "'annotations' is missing"),
     ({"images": IMAGES, "annotations": []}, "annotates no object"),
     ({"images": [{"id": 7, "file_name": "a"}], "annotations": [OBJECT]}, "'height' is missing"),
     ({"images": IMAGES, "annotations": [{**OBJECT, "bbox": "no"}]}, "not in COCO form"),
     ({"images": IMAGES, "annotations": [{**OBJECT, "image_id": 1}]}, "1 is missing")],
)  # fmt: skip
def test_what_is_no_coco_is_refused_by_name(tmp_path: Path, content: Any, word: str) -> None:
    with pytest.raises(DataError) as caught:
        read_truth(write(tmp_path, content))
    assert "annotations.json" in str(caught.value) and word in str(caught.value) and "\n" not in str(caught.value)


def test_missing_annotations_name_the_way_without(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no annotations\.json.*--truth fp32"):
        read_truth(tmp_path)
