"""SSD's priors against the values of the paper's and torchvision's networks."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.detection.priors import decode, prior_boxes

SSD300 = prior_boxes(
    feature_maps=[38, 19, 10, 5, 3, 1],
    scales=[0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05],
    aspect_ratios=[[2], [2, 3], [2, 3], [2, 3], [2], [2]],
    steps=[8, 16, 32, 64, 100, 300],
    image_size=300,
)


def test_the_priors_of_ssd300() -> None:
    assert SSD300.shape == (8732, 4)
    assert SSD300[0] == pytest.approx([4 / 300, 4 / 300, 0.07, 0.07])
    assert SSD300[1, 2:] == pytest.approx([(0.07 * 0.15) ** 0.5] * 2)
    assert SSD300[2, 2:] == pytest.approx([0.07 * 2**0.5, 0.07 / 2**0.5])
    assert SSD300[3, 2:] == pytest.approx([0.07 / 2**0.5, 0.07 * 2**0.5])
    assert SSD300[4, :2] == pytest.approx([12 / 300, 4 / 300])  # the next column
    assert SSD300[-1, :2] == pytest.approx([0.5, 0.5])


def test_without_steps_the_cells_cover_the_image() -> None:
    scales = [*np.linspace(0.2, 0.95, 6), 1.0]
    boxes = prior_boxes([20, 10, 5, 3, 2, 1], scales, [[2, 3]] * 6)
    assert boxes.shape == (3234, 4)  # SSDLite320
    assert boxes[0, :2] == pytest.approx([0.025, 0.025]) and boxes[-1, :2] == pytest.approx([0.5, 0.5])


def test_offsets_of_zero_are_the_priors_and_others_are_scaled_by_them() -> None:
    assert decode(np.zeros((8732, 4)), SSD300, (0.1, 0.1, 0.2, 0.2)) == pytest.approx(SSD300)
    prior = np.array([[0.5, 0.5, 0.2, 0.4]])
    moved = decode(np.array([[1.0, -1.0, 5 * np.log(2), 0]]), prior, (0.1, 0.1, 0.2, 0.2))
    assert moved == pytest.approx(np.array([[0.52, 0.46, 0.4, 0.4]]))
