"""FP32 and quantized model on the same images: top-1 and top-5 with labels, agreement, cosine and SQNR without."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyq8.errors import DataError, ModelError
from pyq8.inference import batch_size, single
from pyq8.loaders import Batch
from pyq8.metrics import METRICS, Metric

if TYPE_CHECKING:
    import onnx_ir as ir

CLASSIFICATION = ("top1", "top5", "agreement")
GENERAL = ("cosine", "sqnr")


@dataclass(frozen=True)
class AccuracyRow:
    """One metric of one output.

    Args:
        output: name of the model's output.
        metric: name of the metric.
        reference: what FP32 scores; None where FP32 is the yardstick.
        value: what the quantized model scores.
        drop: loss in percentage points; None for metrics in other units.
    """

    output: str
    metric: str
    reference: float | None
    value: float
    drop: float | None


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


def compare_accuracy(
    reference: ir.Model,
    candidate: ir.Model,
    batches: Iterable[Batch],
    metrics: Sequence[str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> AccuracyReport:
    """Score the candidate against the reference, image by image.

    Args:
        reference: the FP32 model.
        candidate: the quantized model, with the same inputs and outputs.
        batches: the images, with labels where there are any.
        metrics: names; None for all that apply: the classification metrics only for an output [N, classes].
        progress: called with the number of images done since the last call.

    Raises:
        ModelError: the models do not have the same inputs and outputs.
        DataError: no image came, or a metric needs labels that are not there.
    """
    from pyq8.sessions import model_session

    names = [v.name or "" for v in reference.graph.outputs]
    check_same_interface(reference, candidate)
    expected, found = model_session(reference, spin=False), model_session(candidate, spin=False)
    inputs = {v.name for v in reference.graph.inputs}
    scores: dict[tuple[str, str], Metric] = {}
    samples, size = 0, max(batch_size(reference), batch_size(candidate))
    for batch in batches:
        done = 0
        for feeds, count in single([batch.feeds], size):
            feeds = {k: v for k, v in feeds.items() if k in inputs}
            labels = batch.labels[done : done + count]
            done += count
            refs, outs = expected.run(names, feeds), found.run(names, feeds)
            if not samples:
                scores = _choose(names, refs, metrics, labels)
            for (output, _), metric in scores.items():
                ref, out = (a[names.index(output)] for a in (refs, outs))
                if np.ndim(ref) and np.shape(ref) == np.shape(out):
                    metric.update(ref[:count], out[:count], labels)
            samples += count
            if progress is not None:
                progress(count)
    if not samples:
        raise DataError("no image came to compare the models on; give at least one")
    rows = [
        AccuracyRow(output, name, m.reference_value, float(m.value), m.drop)
        for (output, name), m in scores.items()
        if m.samples
    ]
    return AccuracyReport(tuple(rows), samples)


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


def _choose(
    names: list[str], outputs: list[Any], metrics: Sequence[str] | None, labels: Sequence[int | None]
) -> dict[tuple[str, str], Metric]:
    """Which metric is kept for which output."""
    chosen: dict[tuple[str, str], Metric] = {}
    for position, (name, output) in enumerate(zip(names, outputs, strict=True)):
        classes = np.ndim(output) == 2 and np.shape(output)[1] > 1 and position == 0
        wanted = metrics
        if wanted is None:
            wanted = (*(CLASSIFICATION if classes else ()), *GENERAL)
            if not labels or any(label is None for label in labels):
                wanted = [m for m in wanted if not METRICS.get(m)().needs_labels]
        for metric in wanted:
            chosen[name, metric] = METRICS.get(metric)()
        if metrics is not None:
            break
    return chosen
