"""Prior boxes of SSD, and what its box head says relative to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pyq8.types import Array


def prior_boxes(
    feature_maps: Sequence[int],
    scales: Sequence[float],
    aspect_ratios: Sequence[Sequence[float]],
    steps: Sequence[float] = (),
    image_size: float = 0,
) -> Array:
    """SSD's priors in the order of Caffe and torchvision: maps, rows, columns; a cell's by ratio.

    A cell of map k has squares of side s_k and sqrt(s_k s_(k+1)), and for every ratio r a box of s_k sqrt(r) by
    s_k / sqrt(r) and the same upright. Its center is that of the cell: (column + 1/2) / (cells, or image_size / step).

    Args:
        feature_maps: cells a side of every (square) map.
        scales: sides s, 0..1, one more than maps.
        aspect_ratios: of every map, without 1.
        steps: pixels a cell; none: the maps cover the image.
        image_size: pixels a side, where there are steps.

    Returns:
        (A, 4) center x, center y, width, height, 0..1.
    """
    boxes = []
    for k, cells in enumerate(feature_maps):
        sides = [(scales[k], scales[k]), (math.sqrt(scales[k] * scales[k + 1]),) * 2]
        for ratio in aspect_ratios[k]:
            wide, high = scales[k] * math.sqrt(ratio), scales[k] / math.sqrt(ratio)
            sides += [(wide, high), (high, wide)]
        across = image_size / steps[k] if steps else cells
        y, x = np.meshgrid(*[(np.arange(cells) + 0.5) / across] * 2, indexing="ij")
        centers = np.stack([x, y], axis=-1).reshape(-1, 1, 2)
        shape = np.clip(np.array(sides), 0, 1)[None]
        boxes.append(np.concatenate(np.broadcast_arrays(centers, shape), axis=2).reshape(-1, 4))
    return np.concatenate(boxes)


def decode(offsets: Array, priors: Array, variances: Sequence[float]) -> Array:
    """Center-size offsets (A, 4) -> boxes (A, 4) center x, center y, width, height, 0..1.

    center = prior center + offset * variance * prior size        size = prior size * exp(offset * variance)
    """
    scaled = offsets * np.asarray(variances)
    centers = priors[:, :2] + scaled[:, :2] * priors[:, 2:]
    return np.concatenate([centers, priors[:, 2:] * np.exp(np.minimum(scaled[:, 2:], 20))], axis=1)
