"""Everything that is known about a quantized model, in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyq8.halves import HalvesReport
from pyq8.loaders import Batch
from pyq8.types import Plan
from pyq8.verify.accuracy import AccuracyReport
from pyq8.verify.kernels import KernelReport, check_float, find_kernels
from pyq8.verify.layers import LayerReport, compare
from pyq8.verify.speed import SpeedReport

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Report:
    """What verification found; a part that was not asked for is None."""

    kernels: KernelReport
    accuracy: AccuracyReport | None = None
    layers: LayerReport | None = None
    speed: SpeedReport | None = None
    halves: HalvesReport | None = None

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
        ModelError: ONNX Runtime computes in INT8 what the plan leaves FP32.
    """
    kernels = find_kernels(quantized, plan.float_nodes)
    check_float(kernels, plan.float_nodes)
    if not kept:
        return Report(kernels)
    return Report(kernels, *compare(prepared, twin or quantized, plan, kept, progress))
