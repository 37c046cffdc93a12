"""Everything that is known about a quantized model, in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyq8.bench.speed import SpeedReport
from pyq8.loaders import Batch
from pyq8.model.parts import find_random
from pyq8.runtime.unsaturated import find_inexact
from pyq8.types import Plan
from pyq8.verify.accuracy import AccuracyReport
from pyq8.verify.halves import HalvesReport
from pyq8.verify.judged import picks_boxes
from pyq8.verify.kernels import KernelReport, check_float, load_kernels
from pyq8.verify.layers import LayerReport, compare

if TYPE_CHECKING:
    import onnx_ir as ir


LOW = 15
"""dB of SQNR below which a model is said to be doubtful."""


@dataclass(frozen=True)
class Report:
    """What verification found; a part that was not asked for is None.

    `low` says which outputs are far from FP32, `notes` what else the figures must be read with, in lines.
    """

    kernels: KernelReport
    accuracy: AccuracyReport | None = None
    layers: LayerReport | None = None
    speed: SpeedReport | None = None
    halves: HalvesReport | None = None
    low: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def doubts(self) -> tuple[str, ...]:
        """What makes the model doubtful, in lines (outputs far from FP32, too few or too different images)."""
        few = self.halves is not None and self.halves.disagree
        return (*self.notes, *self.low, *((f"the calibration images are {self.halves}",) if few else ()))

    def __str__(self) -> str:
        rows = self.accuracy.rows if self.accuracy else ()
        outputs = [f"{r.output} {r.value:.1f} dB" for r in rows if r.metric == "sqnr"]
        found = [f"SQNR: {', '.join(outputs)}"] if outputs else []
        return "\n".join([str(self.kernels), *found, *(f"warning: {doubt}" for doubt in self.doubts)])

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {
            "kernels": self.kernels.to_json(),
            "accuracy": self.accuracy.to_json() if self.accuracy else None,
            "layers": self.layers.to_json() if self.layers else None,
            "speed": self.speed.to_json() if self.speed else None,
            "halves": self.halves.to_json() if self.halves else None,
        }


def make_report(
    prepared: ir.Model,
    quantized: ir.Model,
    plan: Plan,
    kept: Sequence[Batch],
    progress: Callable[[int], None] | None = None,
    twin: ir.Model | None = None,
) -> Report:
    """Look at the kernels of a quantized model, and where there are images compare what it computes with FP32.

    Args:
        prepared: the FP32 model that the plan is for.
        quantized: what the plan made of it.
        plan: likewise.
        kept: images; none for kernels only.
        progress: called with the number of images compared since the last call.
        twin: what computes the same numbers as `quantized` and has the tensors between its nodes, if that has not.

    Raises:
        ModelError: ONNX Runtime computes in INT8 what the plan leaves FP32, or in a plain session the model does not
            run or does not compute what was planned.
    """
    kernels, session = load_kernels(quantized, plan.float_nodes)
    check_float(kernels, plan.float_nodes)
    notes = (*find_inexact(quantized), *find_random(prepared))
    if not kept:
        return Report(kernels, notes=notes)
    accuracy, layers = compare(prepared, twin or quantized, plan, kept, progress, session)
    return Report(kernels, accuracy, layers, low=() if picks_boxes(prepared) else find_low(accuracy), notes=notes)


def find_low(accuracy: AccuracyReport) -> tuple[str, ...]:
    """The outputs of which little is left, one line for all."""
    low = [f"{r.output} {r.value:.1f} dB" for r in accuracy.rows if r.metric == "sqnr" and r.value < LOW]
    return (f"low accuracy, below {LOW} dB of SQNR against FP32: {', '.join(low[:6])}",) if low else ()
