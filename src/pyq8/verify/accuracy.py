"""FP32 and quantized model on the same images: top-1 and top-5 with labels, agreement, cosine and SQNR without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyq8.errors import DataError, ModelError, UsageError
from pyq8.loaders import Batch, Loader
from pyq8.metrics import METRICS, Metric
from pyq8.metrics.metric import Outputs, OutputsMetric, is_real
from pyq8.metrics.topk import check_labels
from pyq8.model.intake import intake
from pyq8.types import Array, Feeds
from pyq8.workers.runs import pieces, run_models

if TYPE_CHECKING:
    import onnx_ir as ir

CLASSIFICATION = ("top1", "top5", "agreement")
GENERAL = ("cosine", "sqnr")
EXACT = ("equal",)
"""Of integers and bool, whose difference is no noise."""
NO_NUMBERS = "the models have no output of numbers to compare; give models with one"


@dataclass(frozen=True)
class AccuracyRow:
    """One metric of one output.

    Args:
        output: name of the model's output; "" for a metric of all of them.
        metric: name of the metric.
        reference: what FP32, or the baseline, scores; None where FP32 is the yardstick.
        value: what the quantized model scores.
        drop: reference less value; None where there is no reference.
        low: lower bound of the drop, or of the value where there is no drop; None where nobody asked.
        high: upper bound.
        lost: images that only the reference has right; None where images are not right or wrong.
        won: images that only the quantized model has right.
    """

    output: str
    metric: str
    reference: float | None
    value: float
    drop: float | None
    low: float | None = None
    high: float | None = None
    lost: int | None = None
    won: int | None = None


@dataclass(frozen=True)
class AccuracyReport:
    """All metrics over all images."""

    rows: tuple[AccuracyRow, ...]
    samples: int

    def find(self, metric: str) -> AccuracyRow | None:
        """The first output's row of a metric."""
        return next((r for r in self.rows if r.metric == metric), None)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {"samples": self.samples, "rows": [asdict(r) for r in self.rows]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AccuracyReport:
        """The inverse of `to_json`."""
        return cls(tuple(AccuracyRow(**row) for row in data["rows"]), data["samples"])


def plain_row(output: str, name: str, metric: Metric) -> AccuracyRow:
    """A row without bounds."""
    return AccuracyRow(output, name, metric.reference_value, metric.value, metric.drop)


def measure(
    reference: ir.Model,
    candidate: ir.Model,
    batches: Iterable[Batch],
    metric: Metric | None = None,
    progress: Callable[[int], None] | None = None,
    seen: Callable[[Batch], None] | None = None,
    executor: Executor | None = None,
    watch: Callable[[Outputs, Feeds], None] | None = None,
) -> tuple[dict[tuple[str, str], Metric], int]:
    """Run both models on the same images, image by image.

    Args:
        reference: the FP32 model.
        candidate: the quantized model, with the same inputs and outputs.
        batches: the images, with labels where there are any.
        metric: None for all that apply: the classification metrics only for an output [N, classes], and for integers
            only the share of equal elements.
        progress: called with the number of images done since the last call.
        seen: called with every batch.
        executor: where both are run; see `spread`.
        watch: called with what both models returned for some images, and their inputs.

    Returns:
        (output name or "" for all, metric name) -> what was measured, without those that no image counted for; and
        the number of images.

    Raises:
        ModelError: the models do not have the same inputs and outputs, or none that is made of numbers.
        DataError: no image came, or a metric needs labels that are not there.
    """
    names = [v.name or "" for v in reference.graph.outputs]
    check_same_interface(reference, candidate)
    inputs = [v.name or "" for v in reference.graph.inputs]
    taken = intake(reference)
    taken = taken if taken.whole else replace(taken, size=max(taken.size, intake(candidate).size))
    tally = Tally(metric)

    def images() -> Iterator[Batch]:
        for batch in batches:
            if seen is not None:
                seen(batch)
            yield from pieces(batch, taken, inputs)

    for piece, (refs, outs) in run_models([reference, candidate], names, taken.size, images(), executor):
        if not refs:
            raise ModelError(NO_NUMBERS)
        samples = taken.samples(piece.feeds)
        first = not tally.samples
        run = Outputs(refs, outs, piece.labels, piece.names, image_size(samples))
        tally.add(run)
        if watch is not None:
            watch(run, samples)
        if first and tally.needs_labels and isinstance(batches, Loader):
            check_labels(batches.labels, int(np.prod(next(iter(refs.values())).shape[1:])))
        if progress is not None:
            progress(len(piece))
    return tally.counted(), tally.samples


class Tally:
    """Metrics of two models whose outputs come some images at a time.

    Args:
        metric: None for all that apply, see `measure`.
    """

    def __init__(self, metric: Metric | None = None) -> None:
        self.samples = 0
        self._metric = metric
        self._metrics: dict[tuple[str, str], Metric] = {}

    @property
    def needs_labels(self) -> bool:
        """Whether one of the metrics does; known once there are images."""
        return any(m.needs_labels for m in self._metrics.values())

    def add(self, run: Outputs) -> None:
        """Count the images of one run; the first decides which metrics apply."""
        if not self.samples:
            self._metrics = _choose(run, self._metric)
        for (output, _), each in self._metrics.items():
            _update(each, output, run)
        self.samples += len(run.names)

    def counted(self) -> dict[tuple[str, str], Metric]:
        """(output, metric name) -> what was measured, see `measure`.

        Raises:
            DataError: no image came.
        """
        if not self.samples:
            raise DataError("no image came to compare the models on; give at least one")
        return {key: each for key, each in self._metrics.items() if each.samples}


def check_same_interface(reference: ir.Model, candidate: ir.Model) -> None:
    """Refuse two models that cannot take the same images or give the same outputs.

    Raises:
        ModelError: a name that the other does not have, or another shape behind it.
    """
    for kind, ours, theirs in (
        ("input", reference.graph.inputs, candidate.graph.inputs),
        ("output", reference.graph.outputs, candidate.graph.outputs),
    ):
        left, right = {v.name for v in ours}, {v.name for v in theirs}
        if left != right:
            odd = sorted(str(n) for n in left ^ right)
            raise ModelError(f"{kind} {odd[0]!r} is in one model only; compare a model with its own quantized version")
        shapes = {v.name: v.shape for v in theirs}
        for value in ours:
            if not _fits(value.shape, shapes[value.name], batch=kind == "input"):
                raise ModelError(
                    f"{kind} {value.name!r} is {value.shape} in one model and {shapes[value.name]} in the other; "
                    "compare a model with its own quantized version"
                )


def _fits(left: ir.Shape | None, right: ir.Shape | None, batch: bool) -> bool:
    """Whether two shapes can be the same as far as they are known, with or without the first axis."""
    if left is None or right is None:
        return True
    pairs = list(zip(left, right, strict=False))[0 if batch else 1 :]
    return len(left) == len(right) and all(a == b for a, b in pairs if isinstance(a, int) and isinstance(b, int))


def image_size(feeds: Mapping[str, Array]) -> tuple[int, int] | None:
    """(height, width) of the only input, where it is an image; channels are the shorter end axis."""
    shape = next(iter(feeds.values())).shape
    if len(feeds) != 1 or len(shape) != 4:
        return None
    return (shape[2], shape[3]) if shape[1] <= shape[3] else (shape[1], shape[2])


def _choose(run: Outputs, metric: Metric | None) -> dict[tuple[str, str], Metric]:
    """Which metric is kept for which output.

    Raises:
        UsageError: a metric of numbers, and no output is real numbers.
    """
    first = next(iter(run.reference), "")
    if not first:
        return {}
    real = [name for name, output in run.reference.items() if is_real(output)]
    if metric is not None:
        if metric.name in GENERAL:
            if not real:
                raise UsageError(f"metric {metric.name!r} needs real numbers, and no output has any; try equal")
            first = real[0]
        return {("" if isinstance(metric, OutputsMetric) else first, metric.name): metric}
    chosen: dict[tuple[str, str], Metric] = {}
    for name, output in run.reference.items():
        classes = output.ndim == 2 and output.shape[1] > 1 and name == first
        known = (*(CLASSIFICATION if classes else ()), *GENERAL) if name in real else EXACT
        for each in known:
            made = METRICS.get(each)()
            if not made.needs_labels or (run.labels and None not in run.labels):
                chosen[name, each] = made
    return chosen


def _update(metric: Metric, output: str, run: Outputs) -> None:
    if isinstance(metric, OutputsMetric):
        metric.update_all(run)
        return
    ref, x = run.reference[output], run.candidate.get(output)
    if x is not None and ref.shape == x.shape:
        metric.update(ref, x, run.labels)
