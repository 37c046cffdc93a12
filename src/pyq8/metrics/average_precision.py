"""Mean average precision of detectors."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from pyq8.detection.boxes import Detections
from pyq8.detection.detector import Detector, guess_detector
from pyq8.detection.matching import FOUND, WRONG, load_evaluator, match
from pyq8.detection.truth import Objects, Truth
from pyq8.errors import DataError
from pyq8.loaders import Loader, Preprocess
from pyq8.loaders.geometry import place
from pyq8.metrics.metric import METRICS, Outputs, OutputsMetric
from pyq8.types import Array

SURE = 0.5
"""FP32 detections from this score on are the truth where there are no annotations."""
CELLS = 4_000_000
"""Numbers held at a time."""
RECALLS = np.linspace(0, 1, 101)


class MeanAveragePrecision(OutputsMetric):
    """The area under precision over recall, mean over categories and IoU thresholds, in percent.

    Args:
        truth: annotations; None takes what FP32 finds with a score of at least 0.5.
        detector: how to read the outputs; None guesses from their names.
    """

    thresholds: tuple[float, ...]
    every_point = False
    """Whether the area is exact (VOC 2010) or the mean at 101 recalls (COCO)."""
    draws = 500
    smooth = False

    def __init__(self, truth: Truth | None = None, detector: Detector | None = None) -> None:
        super().__init__()
        self._truth, self._detector = truth, detector
        self._preprocess: Preprocess | None = None
        self._before: list[Detections] = []
        self._after: list[Detections] = []
        self._objects: list[Objects] = []

    def check_data(self, loader: Loader) -> str:
        """Digest of the annotations, "" without.

        Raises:
            DataError: images are cropped, and annotated boxes with them.
            UsageError: faster-coco-eval is not installed.
        """
        load_evaluator()
        if self._truth is None:
            return ""
        used = loader.preprocess.preprocess if loader.preprocess is not None else None
        if used is None or used.crop is not None:
            how = "arrays" if used is None else f"images cropped by preprocessing {used.name!r}"
            raise DataError(
                f"{self.name}: annotated boxes do not fit {how}; stretch or letterbox whole images (--preset ssd, yolo)"
            )
        self._preprocess = used
        return self._truth.sha256

    def update_all(self, outputs: Outputs) -> None:
        """Keep at most 100 boxes an image.

        Raises:
            DataError: an output is not what it should be, or an image has no annotations.
        """
        if outputs.size is None:
            raise DataError(f"{self.name}: the model takes no image of 3 channels; judge by --metric sqnr")
        for i, name in enumerate(outputs.names):
            refs = {key: array[i] for key, array in outputs.reference.items()}
            self._detector = self._detector or guess_detector(refs, outputs.size)
            self._before.append(self._detector.read(refs, outputs.size))
            outs = {key: array[i] for key, array in outputs.candidate.items()}
            self._after.append(self._detector.read(outs, outputs.size))
            self._objects.append(self._find_objects(name, outputs.size))

    @property
    def samples(self) -> int:
        """Images."""
        return len(self._objects)

    @property
    def informative(self) -> int:
        """Images with objects."""
        return sum(bool((~one.ignored).any()) for one in self._objects)

    @cached_property
    def results(self) -> Array:
        """See `pyq8.detection.matching.match`."""
        return match(self._after, self._objects, self.thresholds)

    @cached_property
    def reference_results(self) -> Array:
        """Likewise, of FP32."""
        if self.informative == 0:
            found = "annotations" if self._truth else f"detections of FP32 with a score of at least {SURE}"
            raise DataError(f"{self.name}: no {found} in these images; give images with objects")
        return match(self._before, self._objects, self.thresholds)

    def score(self, results: Array, counts: Array | None = None) -> Array:
        """See `Metric.score`; categories without an object do not count."""
        counts = np.ones((1, self.samples)) if counts is None else counts
        image = np.concatenate([np.full(len(one.labels), i) for i, one in enumerate(self._objects)])
        labels, ignored = (np.concatenate([getattr(o, k) for o in self._objects]) for k in ("labels", "ignored"))
        results = results[np.argsort(-results[:, 2], kind="stable")]
        totals, categories = np.zeros(len(counts)), np.zeros(len(counts))
        for label in np.unique(labels[~ignored]):
            there = counts[:, image[(labels == label) & ~ignored]].sum(axis=1)
            mine = results[results[:, 1] == label]
            step = max(1, CELLS // max(1, len(mine)))
            area = [self._area(mine, counts[i : i + step], there[i : i + step]) for i in range(0, len(counts), step)]
            totals += np.concatenate(area)
            categories += there > 0
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(categories > 0, 100 * totals / np.maximum(categories, 1), np.nan))

    def _area(self, results: Array, counts: Array, there: Array) -> Array:
        """Average precision (R,) of one category's detections, best first; 0 where it has no object."""
        weights = counts[:, results[:, 0].astype(int)]
        areas = np.zeros(len(counts))
        for column in range(3, results.shape[1]):
            found = np.cumsum(weights * (results[:, column] == FOUND), axis=1)
            wrong = np.cumsum(weights * (results[:, column] == WRONG), axis=1)
            recall = found / np.maximum(there, 1)[:, None]
            precision = found / np.maximum(found + wrong, 1)
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            reached = recall if self.every_point else np.searchsorted(RECALLS, recall, side="right") / len(RECALLS)
            areas += np.sum(best * np.diff(reached, axis=1, prepend=0), axis=1)
        return np.where(there > 0, areas / len(self.thresholds), 0)

    def _find_objects(self, name: str, size: tuple[int, int]) -> Objects:
        """In pixels of the input: a box keeps its overlaps when its image is scaled."""
        if self._truth is None:
            found = self._before[-1]
            sure = found.take(found.scores >= SURE)
            return Objects(sure.boxes, sure.labels, np.zeros(len(sure), bool), None)
        if name not in self._truth.images:
            raise DataError(f"{self.name}: image {name} is not in annotations.json; add it or remove the image")
        one = self._truth.images[name]
        assert one.size is not None
        there = place(one.size[::-1], self._preprocess or Preprocess("whole images", stretch=size))
        scale = np.array(there.scaled) / one.size[::-1]
        return Objects(one.boxes * np.tile(scale, 2) + np.tile(there.at, 2), one.labels, one.ignored, None)


@METRICS.register("map")
class Map(MeanAveragePrecision):
    """COCO's mAP@[.5:.95]: ten IoU thresholds, 101 recalls."""

    name = "map"
    thresholds = tuple(np.linspace(0.5, 0.95, 10).tolist())


@METRICS.register("map50")
class Map50(MeanAveragePrecision):
    """COCO's mAP@.5."""

    name = "map50"
    thresholds = (0.5,)


@METRICS.register("map-voc")
class MapVoc(MeanAveragePrecision):
    """VOC 2010's mAP: IoU 0.5, the exact area."""

    name = "map-voc"
    thresholds = (0.5,)
    every_point = True
