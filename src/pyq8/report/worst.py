"""The images on which the two models differ most, with both answers."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from pyq8.detection.boxes import Detections
from pyq8.detection.detector import Detector, head_detector, name_detector
from pyq8.loaders import BoundPreprocess
from pyq8.metrics.metric import Outputs, is_real
from pyq8.report.boxes import Objects, compare_objects
from pyq8.report.pictures import Picture, draw
from pyq8.types import Array, Feeds

KEPT = 12
"""Pictures of the page."""
ANSWERS = 3
"""Classes of an image that are named."""

Answer = tuple[int, float]
"""Class and its score, a probability where the outputs are logits."""


@dataclass(frozen=True)
class Case:
    """One image.

    Args:
        name: of the file, or its index.
        label: its class; None where nothing says.
        differs: whether the answers do.
        distance: how much, larger is worse; of images that differ in the same way, within 0..1 for classes.
        picture: None where the input is no image.
        reference: the classes that FP32 names, the likeliest first; none for other models.
        candidate: the same of the quantized model.
        objects: what a detector's outputs say; None for other models.
        text: what else is to be said.
    """

    name: str
    label: int | None
    differs: bool
    distance: float
    picture: Picture | None
    reference: tuple[Answer, ...] = ()
    candidate: tuple[Answer, ...] = ()
    objects: Objects | None = None
    text: str = ""


@dataclass(frozen=True)
class Worst:
    """The worst images.

    Args:
        cases: worst first, at most KEPT.
        differing: on how many images the models differ.
        samples: of how many.
        kind: "classes", "boxes" or "values".
    """

    cases: tuple[Case, ...]
    differing: int
    samples: int
    kind: str


class Watcher:
    """Sees the outputs of both models and remembers the worst; memory holds a few thumbnails.

    Args:
        bound: how inputs were made from pixels; None for arrays.
        detector: how to read boxes; None guesses from the outputs' names.
    """

    def __init__(self, bound: BoundPreprocess | None, detector: Detector | None = None) -> None:
        self._bound, self._detector, self._guessed = bound, detector, detector is not None
        self._heap: list[tuple[bool, float, int, Case]] = []
        self._differing = self._samples = 0
        self._kind = "values"

    def __call__(self, run: Outputs, feeds: Feeds) -> None:
        """Look at some images."""
        for i, name in enumerate(run.names):
            refs, outs = (
                {key: np.asarray(array[i]) for key, array in o.items()} for o in (run.reference, run.candidate)
            )
            case = self._compare(refs, outs, run.size, name, run.labels[i])
            self._differing += case.differs
            key = (case.differs, case.distance, -self._samples)
            self._samples += 1
            if len(self._heap) < KEPT or key > self._heap[0][:3]:
                sample = next(iter(feeds.values()))[i] if len(feeds) == 1 else np.zeros(0)
                kept = (*key, Case(**{**vars(case), "picture": draw(sample, self._bound)}))
                (heapq.heappushpop if len(self._heap) == KEPT else heapq.heappush)(self._heap, kept)

    def worst(self) -> Worst:
        """What was remembered."""
        cases = [entry[3] for entry in sorted(self._heap, key=lambda e: e[:3], reverse=True)]
        return Worst(tuple(cases), self._differing, self._samples, self._kind)

    def _compare(
        self, refs: dict[str, Array], outs: dict[str, Array], size: tuple[int, int] | None, name: str, label: int | None
    ) -> Case:
        if not self._guessed:
            found = name_detector(refs) or (head_detector(refs, size) if size is not None else None)
            self._detector, self._guessed = found, True
        if self._detector is not None and size is not None:
            self._kind = "boxes"
            objects = compare_objects(self._read(refs, size), self._read(outs, size))
            return Case(name, label, objects.differing > 0, objects.distance, None, objects=objects)
        first = next(iter(refs))
        if not is_real(refs[first]) and refs[first].shape == outs[first].shape:
            return _compare_integers(refs[first], outs[first], name, label)
        x, y = refs[first].astype(np.float64), outs[first].astype(np.float64)
        if x.ndim == 1 and x.size > 1 and x.shape == y.shape:
            self._kind = "classes"
            return _compare_classes(x, y, name, label)
        return _compare_values(x, y, name, label)

    def _read(self, outputs: dict[str, Array], size: tuple[int, int]) -> Detections:
        assert self._detector is not None
        return self._detector.read(outputs, size)


def _compare_classes(x: Array, y: Array, name: str, label: int | None) -> Case:
    """How much likelier FP32 finds its own answer than the other's; where they agree, the largest difference."""
    p, q = _probabilities(x), _probabilities(y)
    best, other = int(np.argmax(p)), int(np.argmax(q))
    differs = best != other
    distance = float(p[best] - p[other]) if differs else float(np.abs(p - q).max())
    named = [
        tuple((int(c), float(r[c])) for c in np.argsort(-r, kind="stable")[: min(ANSWERS, len(r))]) for r in (p, q)
    ]
    return Case(name, label, differs, distance if np.isfinite(distance) else np.inf, None, named[0], named[1])


def _probabilities(x: Array) -> Array:
    """Softmax, unless they are probabilities already."""
    if x.min() >= 0 and abs(x.sum() - 1) < 1e-3:
        return x
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def _compare_integers(x: Array, y: Array, name: str, label: int | None) -> Case:
    share = float(np.mean(x == y)) if x.size else 1.0
    return Case(name, label, share < 1, 1 - share, None, text=f"{100 * share:.4g} % equal")


def _compare_values(x: Array, y: Array, name: str, label: int | None) -> Case:
    if x.shape != y.shape:
        return Case(name, label, True, np.inf, None, text=f"FP32 returns {x.shape}, INT8 {y.shape}")
    noise, signal = float(np.vdot(x - y, x - y)), float(np.vdot(x, x))
    share = noise / signal if signal > 0 else np.inf if noise > 0 else 0.0
    text = f"SQNR {-10 * np.log10(share):.1f} dB" if 0 < share < np.inf else "exact" if share == 0 else "FP32 returns 0"
    return Case(name, label, False, share, None, text=text)
