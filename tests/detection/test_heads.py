"""Outputs of the YOLO family: told apart by shapes and values, and decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyq8.detection.description import read_detector
from pyq8.detection.detector import guess_detector
from pyq8.errors import DataError
from pyq8.types import Array

SIZE = (64, 96)
CELLS = 8 * 12 + 4 * 6 + 2 * 3
BOX = [40.0, 30, 20, 10]  # of cell 5, 3 of the first map
CELL = 3 * 12 + 5


def v8() -> Array:
    rows = np.zeros((4 + 3, CELLS))
    rows[:4, CELL], rows[4 + 2, CELL] = BOX, 0.9
    return rows


def v5(anchors: int = 3) -> Array:
    rows = np.zeros((anchors * CELLS, 5 + 3))
    rows[CELL] = [*BOX, 0.9, 0, 0, 1]
    return rows


def yolox() -> Array:
    rows = np.zeros((CELLS, 5 + 3))
    rows[CELL] = [40 / 8 - 5, 30 / 8 - 3, np.log(20 / 8), np.log(10 / 8), 0.9, 0, 0, 1]
    return rows


def end2end() -> Array:
    rows = np.zeros((300, 6))
    rows[0] = [30, 25, 50, 35, 0.9, 2]
    return rows


@pytest.mark.parametrize("rows", [v8(), v5(), v5(1), yolox(), end2end()], ids="v8 v5 v6 yolox end2end".split())
def test_the_same_object_is_found_in_every_head(rows: Array) -> None:
    outputs = {"output0": rows}

    found = guess_detector(outputs, SIZE).read(outputs, SIZE).best(1)

    np.testing.assert_allclose(found.boxes, [[30, 25, 50, 35]])
    assert (found.scores.tolist(), found.labels.tolist()) == ([pytest.approx(0.9)], [2])


def test_boxes_that_overlap_are_one_object() -> None:
    rows = v8()
    rows[:4, CELL + 1], rows[4 + 2, CELL + 1] = [41, 30, 20, 10], 0.8
    rows[:4, CELL + 2], rows[4 + 1, CELL + 2] = BOX, 0.7  # of another class

    found = guess_detector({"y": rows}, SIZE).read({"y": rows}, SIZE)

    assert found.scores.tolist() == [0.9, 0.7]


@pytest.mark.parametrize(
    "rows", [np.full((7, CELLS), 2.0), np.zeros((7, CELLS - 1)), np.zeros(10), np.full((7, CELLS), np.nan)]
)
def test_other_outputs_are_no_heads(rows: Array) -> None:
    with pytest.raises(DataError, match="no boxes in the outputs"):
        guess_detector({"y": rows}, SIZE)


def test_a_file_says_which_head(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text('boxes = "y"\nhead = "yolox"\nmin_score = 0.5\nlabel_offset = 1\n')
    detector = read_detector(tmp_path / "d.toml")

    found = detector.read({"y": yolox()}, SIZE)

    np.testing.assert_allclose(found.boxes, [[30, 25, 50, 35]])
    assert found.labels.tolist() == [3]
    with pytest.raises(DataError, match=r"output 'y' has 5 rows for 126 cells of an input of 96x64 pixels; correct"):
        detector.read({"y": np.zeros((5, 8))}, SIZE)
    (tmp_path / "d.toml").write_text('boxes = "y"\nhead = "v9"\n')
    with pytest.raises(DataError, match="head 'v9': known are v8, v5, yolox, end2end"):
        read_detector(tmp_path / "d.toml")
