"""Reading outputs: the layouts that are known, raw heads by a TOML file, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyq8.detection.description import read_detector
from pyq8.detection.detector import Detector, guess_detector
from pyq8.errors import DataError

SIZE = (100, 200)


def test_tensorflows_outputs_are_normalized_from_the_top_and_counted() -> None:
    outputs = {
        "num_detections:0": np.array(2.0),
        "detection_boxes:0": np.array([[0.1, 0.2, 0.5, 0.4], [0, 0, 1, 1], [0, 0, 1, 1]]),
        "raw_detection_boxes:0": np.zeros((9, 4)),
        "detection_scores:0": np.array([0.3, 0.9, 0.8]),
        "detection_classes:0": np.array([1.0, 2.0, 3.0]),
    }
    found = guess_detector(outputs, SIZE).read(outputs, SIZE)
    assert found.boxes.tolist() == [[0, 0, 200, 100], [40, 10, 80, 50]]
    assert found.labels.tolist() == [2, 1]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_torchvisions_outputs_are_pixels(count: int) -> None:
    box = np.tile([1.0, 2, 3, 4], (count, 1))
    outputs = {"boxes": box[0] if count == 1 else box, "labels": np.full(count, 7), "scores": np.full(count, 0.5)}
    found = guess_detector(outputs, SIZE).read(outputs, SIZE)
    assert len(found) == count and found.boxes.tolist() == box.tolist()


def test_what_is_not_finite_is_not_found() -> None:
    outputs = {
        "boxes": np.array([[0, 0, np.nan, 1], [0, 0, 1, 1]]),
        "labels": np.ones(2),
        "scores": np.array([1, np.nan]),
    }
    assert len(guess_detector(outputs, SIZE).read(outputs, SIZE)) == 0


def test_raw_heads_are_decoded_by_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "priors.npy", np.array([[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.2, 0.2]]))
    file = tmp_path / "ssd.toml"
    file.write_text('boxes = "b"\nscores = "s"\nlabel_offset = 10\nmin_score = 0.2\n[priors]\nfile = "priors.npy"\n')
    outputs = {"b": np.zeros((2, 4)), "s": np.log([[0.1, 0.6, 0.3], [0.9, 0.05, 0.05]])}
    found = read_detector(file).read(outputs, SIZE)
    assert found.scores == pytest.approx([0.6, 0.3])
    assert found.labels.tolist() == [11, 12]
    assert found.boxes == pytest.approx(np.array([[80, 30, 120, 70]] * 2))


def test_raw_heads_without_a_file_say_so() -> None:
    with pytest.raises(DataError, match=r"raw heads in the outputs .* --detector"):
        guess_detector({"boxes": np.zeros((10, 4)), "scores": np.zeros((10, 3))}, SIZE)
    with pytest.raises(DataError, match="no boxes in the outputs"):
        guess_detector({"logits": np.zeros(10)}, SIZE)


def test_priors_that_do_not_fit_and_outputs_that_are_not_there() -> None:
    outputs = {"b": np.zeros((2, 4)), "s": np.zeros((2, 3))}
    with pytest.raises(DataError, match="has 2 boxes, there are 5 priors"):
        Detector("b", "s", priors=np.zeros((5, 4))).read(outputs, SIZE)
    with pytest.raises(DataError, match="no output 'x'; it has 'b', 's'"):
        Detector("x", "s").read(outputs, SIZE)
    with pytest.raises(DataError, match="2 boxes, 6 scores, 6 labels"):
        Detector("b", "s", "s").read(outputs, SIZE)


@pytest.mark.parametrize(
    ("text", "word"),
    [('boxes = "b"', "scores is missing"), ('boxs = "b"', "did you mean 'boxes'"), ("boxes = 3", "boxes is 3"),
     ('boxes = "b"\nscores = "s"\nform = "yx"', "known are xyxy"),
     ('boxes = "b"\nscores = "s"\nnormalized = 1', "bool"),
     ('boxes = "b"\nscores = "s"\nvariances = [1, 2]', "2 values"), ("boxes = ", "not valid TOML"),
     ('boxes = "b"\nscores = "s"\n[priors]\nfile = "no.npy"', "[priors]"),
     ('boxes = "b"\nscores = "s"\n[priors]\nfeature_maps = [3]\nscales = [0.1]\naspect_ratios = [[2]]', "[priors]"),
     ('boxes = "b"\nscores = "s"\npriors = 3', "[priors]")],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "d.toml"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_detector(file)
    assert str(caught.value).startswith(str(file)) and word in str(caught.value) and "\n" not in str(caught.value)
