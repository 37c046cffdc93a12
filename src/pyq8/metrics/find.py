"""From what the user asks for to a metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyq8.detection.description import read_detector
from pyq8.detection.detector import Detector
from pyq8.detection.truth import read_truth
from pyq8.errors import UsageError
from pyq8.metrics.average_precision import MeanAveragePrecision
from pyq8.metrics.metric import METRICS, Metric
from pyq8.metrics.user import UserMetric


def find_metric(name: str, data: Any, truth: str, detector: str | Path | Detector | None) -> Metric:
    """A new metric.

    Args:
        name: a registered one, or the user's own "module:function".
        data: where the images come from.
        truth: what mAP is measured against: "annotations" or "fp32".
        detector: how to read boxes, or the file that says it; None guesses.

    Raises:
        UsageError: there is no such metric, or an option is not for it.
        DataError: annotations or the detector's file cannot be used.
    """
    if truth not in ("annotations", "fp32"):
        raise UsageError(f"--truth {truth!r}: known are annotations, fp32")
    made = UserMetric(name) if ":" in name else METRICS.get(name)()
    if not isinstance(made, MeanAveragePrecision):
        if detector is not None or truth == "fp32":
            option = "--truth" if detector is None else "--detector"
            raise UsageError(f"{option} is for mAP, not for {name}; leave it out")
        return made
    if isinstance(detector, str | Path):
        detector = read_detector(detector)
    folder = data if isinstance(data, str | Path) else "the data"
    return type(made)(read_truth(folder) if truth == "annotations" else None, detector)
