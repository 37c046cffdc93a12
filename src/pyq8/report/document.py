"""All that the page says, before it is a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyq8.bench.speed_report import SpeedReport
from pyq8.gate.gate import Verdict
from pyq8.passes import PassResult
from pyq8.report.network import Network
from pyq8.report.ranges import TensorRange
from pyq8.report.weights import WeightRange
from pyq8.report.worst import Worst
from pyq8.verify.accuracy import AccuracyRow
from pyq8.verify.halves import HalvesReport
from pyq8.verify.layers import LayerReport


@dataclass(frozen=True)
class Missing:
    """A section that is left out, and why: one line."""

    why: str


@dataclass(frozen=True)
class Document:
    """One report.

    Args:
        made: when, as text.
        command: that makes it again.
        judged: whether the verdict counts; it does not on the images that the model was calibrated on.
        verdict: of the gate, on these images.
        unit: of the judged metric.
        limit: what the judged metric may lose, or must reach; None where none was asked for.
        sizes: bytes of the FP32 and the INT8 file.
        speed: of both models.
        network: node by node.
        sqnr: layer by layer; None where it was not measured.
        layers: why nothing, or not all, is known of the model's inside; None where it is.
        range_images: how many images the histograms are of.
        observer: that chose the ranges; "" where unknown.
        ranges: of the activations.
        weights: of the weights.
        worst: images.
        passes: what each did before quantization.
        settings: how the INT8 model was made, as it remembers.
        halves: whether the calibration images were enough; None where nobody knows.
        classes: their names; none where nobody gave them.
    """

    made: str
    command: str
    judged: bool
    verdict: Verdict
    unit: str
    limit: float | None
    sizes: tuple[int, int]
    speed: SpeedReport | Missing
    network: Network
    sqnr: LayerReport | None
    layers: Missing | None
    range_images: int
    observer: str
    ranges: tuple[TensorRange, ...] | Missing
    weights: tuple[WeightRange, ...] | Missing
    worst: Worst
    passes: tuple[PassResult, ...]
    settings: Mapping[str, str]
    halves: HalvesReport | None
    classes: tuple[str, ...]

    __hash__ = None  # type: ignore[assignment]  # holds a mapping

    @property
    def row(self) -> AccuracyRow:
        """What is judged."""
        assert self.verdict.report.accuracy is not None
        (row,) = [r for r in self.verdict.report.accuracy.rows if r.low is not None]
        return row

    def to_json(self) -> dict[str, Any]:
        """The verdict as of `check`, and what else figures are in; no pictures."""
        return {
            **self.verdict.to_json(),
            "sizes": list(self.sizes),
            "speed": None if isinstance(self.speed, Missing) else self.speed.to_json(),
            "layers": None if self.sqnr is None else self.sqnr.to_json(),
            "differing": self.worst.differing,
        }
