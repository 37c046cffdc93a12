"""What a model loses on the search images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from pyq8.gate.accuracy_demand import choose
from pyq8.loaders import Batch, Loader
from pyq8.metrics import METRICS, Metric
from pyq8.metrics.metric import Outputs
from pyq8.model.intake import intake
from pyq8.runtime.environment import BatchDigest
from pyq8.tuning.tape import Frame, Tape
from pyq8.types import Array
from pyq8.verify.accuracy import Tally, image_size
from pyq8.workers.runs import pieces, run_models

if TYPE_CHECKING:
    import onnx_ir as ir

Step = Callable[[int], None]
"""Called with the number of images done since the last call."""


class Exam:
    """Every model is asked the same images, and compared with what FP32 said of them, which is computed once.

    Args:
        model: the FP32 model.
        images: to judge by, preprocessed for it.
        metric: makes a new one every time; None takes what `pyq8 check` would.
        tape: an empty one, to keep the images on.
        progress: called as images are done.
        executor: where models are run; see `spread`.

    Raises:
        DataError: no image came, or the metric cannot use one.
        UsageError: the metric does not fit the model or the data.
    """

    def __init__(
        self,
        model: ir.Model,
        images: Loader,
        metric: Callable[[], Metric | None],
        tape: Tape,
        progress: Step | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._metric, self._tape, self._intake, self._executor = metric, tape, intake(model), executor
        self._names = [v.name or "" for v in model.graph.outputs]
        inputs = [v.name or "" for v in model.graph.inputs]
        digest = BatchDigest()

        def read() -> Iterator[Batch]:
            for batch in images:
                digest.update(batch)
                yield from pieces(batch, self._intake, inputs)

        for piece, (reference,) in run_models([model], self._names, self._intake.size, read(), executor):
            self._tape.append(Frame(piece.feeds, reference, piece.labels, piece.names))
            if progress is not None:
                progress(len(piece))
        self.data_sha256 = digest.hexdigest()
        self._name: str | None = None
        self.judged = self._measure((frame, frame.reference) for frame in self._tape)
        """The metric of FP32 compared with itself."""
        self.samples = self.judged.samples

    def loss(self, model: ir.Model, progress: Step | None = None) -> float:
        """See `Trial.loss`.

        Args:
            model: with the inputs and outputs of FP32.
            progress: called as images are done.
        """

        def run() -> Iterator[tuple[Frame, dict[str, Array]]]:
            for frame, (outputs,) in run_models(
                [model], self._names, self._intake.size, self._tape, self._executor, ["the INT8 model"]
            ):
                yield frame, outputs
                if progress is not None:
                    progress(len(frame.names))

        return loss_of(self._measure(run()))

    def _measure(self, runs: Iterable[tuple[Frame, dict[str, Array]]]) -> Metric:
        metric = self._metric()
        wanted = self._name if metric is None else metric.name
        tally = Tally(METRICS.get(wanted)() if metric is None and wanted is not None else metric)
        for frame, outputs in runs:
            size = image_size(self._intake.samples(frame.feeds))
            tally.add(Outputs(frame.reference, outputs, frame.labels, frame.names, size))
        metrics = tally.counted()
        key = choose(metrics, wanted)
        self._name = key[1]
        return metrics[key]


def loss_of(metric: Metric) -> float:
    """What a metric says was lost, see `Trial.loss`."""
    drop = metric.drop
    loss = -metric.value if drop is None else drop
    return math.inf if math.isnan(loss) else round(loss, 9)  # 100 - 99.8 is more than 0.2 in floating point
