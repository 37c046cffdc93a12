"""Heads that put boxes and scores into one tensor: those of the YOLO family, known from shapes and values.

Sources: Ultralytics' Detect (v8, 11, 26), YOLOv5's Detect, YOLOX' demo_postprocess.
"""

from __future__ import annotations

import math

import numpy as np

from pyq8.types import Array

HEADS = ("v8", "v5", "yolox", "end2end")
STRIDES = (8, 16, 32)
"""Pixels a cell of the three maps."""
ENDED = 1000
"""Rows of an end-to-end head at most."""


def guess_head(rows: Array, size: tuple[int, int]) -> str:
    """Which of HEADS an output of one image is; "" for none.

    Args:
        rows: of one image.
        size: (height, width) of the input, pixels.
    """
    if rows.ndim != 2 or not np.isfinite(rows).all():
        return ""
    count = len(_cells(size))
    if rows.shape[1] == count and rows.shape[0] > 4 and _are_scores(rows[4:]):
        return "v8"
    if rows.shape[0] in (count, 3 * count) and rows.shape[1] > 5 and _are_scores(rows[:, 4:]):
        return "v5" if rows[:, :2].max() > STRIDES[-1] else "yolox"  # offsets to a cell are small
    ended = rows.shape[1] == 6 and rows.shape[0] <= ENDED and _are_scores(rows[:, 4])
    return "end2end" if ended and np.array_equal(rows[:, 5], np.rint(rows[:, 5])) else ""


def split_head(head: str, rows: Array, size: tuple[int, int]) -> dict[str, Array]:
    """What is in the output of one image.

    Args:
        head: of HEADS.
        rows: (4 + classes, K) of v8, (K, 6) of end2end, else (K, 5 + classes).
        size: (height, width) of the input, pixels.

    Returns:
        boxes (K, 4), scores (K, classes) 0..1: center x, center y, width, height. Of end2end left, top, right, bottom,
        scores (K,) and labels (K,).

    Raises:
        ValueError: other shapes.
    """
    if rows.ndim != 2 or min(rows.shape) < 5 or (head == "end2end" and rows.shape[1] != 6):
        raise ValueError(f"shape {list(rows.shape)}, not that of head {head!r}")
    if head == "end2end":
        return {"boxes": rows[:, :4], "scores": rows[:, 4], "labels": rows[:, 5]}
    if head == "v8":
        return {"boxes": rows[:4].T, "scores": rows[4:].T}
    boxes = rows[:, :4]
    if head == "yolox":
        cells = _cells(size)
        if len(cells) != len(boxes):
            raise ValueError(f"{len(boxes)} rows for {len(cells)} cells of an input of {size[1]}x{size[0]} pixels")
        corner, stride = cells[:, :2], cells[:, 2:]
        sides = np.exp(np.minimum(boxes[:, 2:], 20)) * stride
        boxes = np.concatenate([(boxes[:, :2] + corner) * stride, sides], axis=1)
    return {"boxes": boxes, "scores": rows[:, 4:5] * rows[:, 5:]}


def _are_scores(values: Array) -> bool:
    return bool(values.size and values.min() >= 0 and values.max() <= 1)


def _cells(size: tuple[int, int]) -> Array:
    """(K, 3) column, row and stride of every cell, map by map, row by row."""
    maps = []
    for stride in STRIDES:
        high, wide = (math.ceil(side / stride) for side in size)
        y, x = np.mgrid[:high, :wide]
        maps.append(np.stack([x.ravel(), y.ravel(), np.full(high * wide, stride)], axis=1))
    return np.concatenate(maps)
