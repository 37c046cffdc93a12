"""How to read a detector's outputs: known from their names and shapes, or from a TOML file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from pyq8.detection.boxes import FORMS, Detections, suppress, to_corners
from pyq8.detection.heads import HEADS, guess_head, split_head
from pyq8.detection.priors import decode
from pyq8.errors import DataError
from pyq8.types import Array

ACTIVATIONS = ("softmax", "sigmoid", "none")


@dataclass(frozen=True, eq=False)
class Detector:
    """Which outputs hold boxes, scores and labels, and what is left to do to them.

    Args:
        boxes: name of the output with the boxes, or with SSD's offsets to priors: (K, 4) an image.
        scores: (K,) an image, or without labels (K, classes).
        labels: (K,) class indices; "" for raw heads.
        count: how many of K are valid; "" for all.
        form: of the boxes: xyxy, yxyx, xywh, cxcywh.
        normalized: boxes are 0..1 instead of pixels of the input.
        label_offset: class index + this = category id of the annotations.
        activation: what turns raw scores into probabilities: softmax, sigmoid, none.
        background: index of the class that stands for nothing; -1 for none.
        min_score: raw detections below are dropped.
        nms_iou: raw boxes that overlap a better one of their label by more are dropped; 1 keeps all.
        max_detections: of an image.
        variances: of SSD's offsets.
        head: boxes and scores are one output of the YOLO family, see `pyq8.detection.heads`: v8, v5, yolox, end2end;
            "" for none. `form`, `activation` and `background` are then the head's.
        priors: (A, 4) center x, center y, width, height, 0..1; None where boxes are boxes.

    Raises:
        DataError: a form or activation that is not known.
    """

    boxes: str
    scores: str
    labels: str = ""
    count: str = ""
    form: str = "xyxy"
    normalized: bool = False
    label_offset: int = 0
    activation: str = "softmax"
    background: int = 0
    min_score: float = 0.01
    nms_iou: float = 0.45
    max_detections: int = 100
    variances: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)
    head: str = ""
    priors: Array | None = None

    def __post_init__(self) -> None:
        named = (("form", self.form, FORMS), ("activation", self.activation, ACTIVATIONS), ("head", self.head, HEADS))
        for key, value, known in named:
            if value not in known and (key != "head" or value):
                raise DataError(f"{key} {value!r}: known are {', '.join(known)}")
        if len(self.variances) != 4:
            raise DataError(f"variances has {len(self.variances)} values; give 4")

    def read(self, outputs: Mapping[str, Array], size: tuple[int, int]) -> Detections:
        """What is in one image, best first.

        Args:
            outputs: output name -> array of the image.
            size: (height, width) of the input, pixels.

        Raises:
            DataError: an output is missing, or its shape is not what the description says.
        """
        if self.head:
            return self._read_head(self._output(outputs, self.boxes), size)
        boxes, scores = self._output(outputs, self.boxes).reshape(-1, 4), self._output(outputs, self.scores)
        if self.labels:
            labels, scores = self._output(outputs, self.labels).reshape(-1), scores.reshape(-1)
        else:
            boxes, scores, labels = self._raw(boxes, scores)
        if not len(boxes) == len(scores) == len(labels):
            raise DataError(
                f"{len(boxes)} boxes, {len(scores)} scores, {len(labels)} labels; correct the detector's TOML"
            )
        count = int(self._output(outputs, self.count).reshape(-1)[0]) if self.count else len(boxes)
        normalized = self.normalized or self.priors is not None
        corners = to_corners(boxes, "cxcywh" if self.priors is not None else self.form)
        corners = corners * np.array([size[1], size[0]] * 2 if normalized else [1.0] * 4)
        known = np.isfinite(corners).all(axis=1) & np.isfinite(scores) & (np.arange(len(boxes)) < count)
        objects = Detections(corners, scores, labels.astype(np.int64) + self.label_offset).take(known)
        if self.labels:
            return objects.best(self.max_detections)
        return suppress(objects, self.nms_iou, self.max_detections)

    def _read_head(self, rows: Array, size: tuple[int, int]) -> Detections:
        try:
            parts = split_head(self.head, rows, size)
        except ValueError as error:
            raise DataError(f"output {self.boxes!r} has {error}; correct the detector's TOML") from None
        ended = self.head == "end2end"
        plain = replace(
            self,
            head="",
            boxes="boxes",
            scores="scores",
            labels="labels" if ended else "",
            form="xyxy" if ended else "cxcywh",
            activation="none",
            background=-1,
        )
        return plain.read(parts, size)

    def _raw(self, boxes: Array, scores: Array) -> tuple[Array, Array, Array]:
        """One row a box and class that is likely enough; at most 400 of a class, as SSD takes."""
        scores = scores.reshape(len(boxes), -1)
        if self.priors is not None:
            if len(self.priors) != len(boxes):
                raise DataError(f"output {self.boxes!r} has {len(boxes)} boxes, there are {len(self.priors)} priors")
            boxes = decode(boxes, self.priors, self.variances)
        if self.activation == "softmax":
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            scores = scores / scores.sum(axis=1, keepdims=True)
        elif self.activation == "sigmoid":
            scores = 1 / (1 + np.exp(-np.clip(scores, -60, 60)))
        likely = scores >= self.min_score
        if self.background >= 0:
            likely[:, self.background] = False
        for label in np.flatnonzero(likely.sum(axis=0) > 400):
            best = np.argsort(-scores[:, label], kind="stable")[:400]
            likely[np.setdiff1d(np.arange(len(scores)), best), label] = False
        index, labels = np.nonzero(likely)
        return boxes[index], scores[index, labels], labels

    @staticmethod
    def _output(outputs: Mapping[str, Array], name: str) -> Array:
        if name not in outputs:
            raise DataError(f"the model has no output {name!r}; it has {', '.join(map(repr, outputs))}")
        return outputs[name].astype(np.float64)


def guess_detector(outputs: Mapping[str, Array], size: tuple[int, int]) -> Detector:
    """Read names, shapes and values: TensorFlow's four outputs, torchvision's boxes, labels and scores, or YOLO's one.

    Args:
        outputs: output name -> array of one image.
        size: (height, width) of the input, pixels.

    Raises:
        DataError: raw heads, or no detector.
    """
    found = name_detector(outputs) or head_detector(outputs, size)
    if found is not None:
        return found
    shapes = ", ".join(f"{name!r} {list(array.shape)}" for name, array in outputs.items())
    raw = any(array.shape[-1:] == (4,) for array in outputs.values())
    raise DataError(
        f"{'raw heads' if raw else 'no boxes'} in the outputs ({shapes}); "
        "say how to read them with --detector FILE.toml, or judge by --metric sqnr"
    )


def name_detector(outputs: Iterable[str]) -> Detector | None:
    """What the names of the outputs alone say; None where they are not those of boxes, scores and labels."""
    parts = ("boxes", "scores", "classes", "labels", "num_")
    ordered = sorted(outputs, key=len, reverse=True)  # of detection_boxes and raw_detection_boxes, the shorter
    names = {part: name for name in ordered for part in parts if part in name}
    labels = names.get("classes") or names.get("labels")
    if "boxes" not in names or "scores" not in names or not labels:
        return None
    tensorflow = "num_" in names
    return Detector(
        names["boxes"],
        names["scores"],
        labels,
        names.get("num_", ""),
        form="yxyx" if tensorflow else "xyxy",
        normalized=tensorflow,
    )


def head_detector(outputs: Mapping[str, Array], size: tuple[int, int]) -> Detector | None:
    """The head of the YOLO family that the only output is; None where it is none."""
    if len(outputs) != 1:
        return None
    ((name, rows),) = outputs.items()
    head = guess_head(rows, size)
    return Detector(name, name, head=head, nms_iou=0.65) if head else None
