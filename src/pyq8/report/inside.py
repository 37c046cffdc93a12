"""What goes on inside a quantized model: its plan, the statistics behind it, its layers against FP32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.calibration.calibrate import calibrate
from pyq8.calibration.observers import OBSERVERS
from pyq8.errors import PlanError
from pyq8.groundwork import VERIFIED, Progress, step
from pyq8.loaders import Loader
from pyq8.loaders.some import first, first_feeds
from pyq8.model.fallback import FALLBACK, REGION, find_fallback
from pyq8.model.file import load
from pyq8.passes import PassResult
from pyq8.plan.read import recover
from pyq8.report.document import Missing
from pyq8.result import Result
from pyq8.rewrite import twin
from pyq8.stats import Calibration
from pyq8.types import REGIONS, Config, Plan
from pyq8.verify.layers import LayerReport, compare

if TYPE_CHECKING:
    import onnx_ir as ir

OBSERVED = 100
"""Images of the histograms at most."""
HIDDEN = Missing("what regions compute with is known only beside the file of --fallback")


@dataclass(frozen=True)
class Inside:
    """What is known.

    Args:
        prepared: the FP32 model, as it was quantized.
        passes: what each did to it before.
        plan: what was decided.
        calibration: the statistics.
        layers: every quantized tensor against FP32; None where it was not measured.
        plain: has the nodes of regions, under their names.
        hidden: why regions keep some of it to themselves; None where they do not.
    """

    prepared: ir.Model
    passes: tuple[PassResult, ...]
    plan: Plan
    calibration: Calibration
    layers: LayerReport | None
    plain: ir.Model | None
    hidden: Missing | None = None


def inside_of_result(result: Result) -> Inside:
    """What quantization knows already."""
    plain = twin(result.prepared, result.plan, result.config.format)
    return Inside(result.prepared, result.passes, result.plan, result.calibration, result.report.layers, plain)


def look_inside(
    original: ir.Model, int8: str | Path, quantized: ir.Model, loader: Loader, progress: Progress | None
) -> Inside | Missing:
    """Calibrate again, on these images, the model that was quantized, and compare the two layer by layer.

    Args:
        original: the FP32 model, taking what the quantized one takes.
        int8: path of its quantized form.
        quantized: what is there.
        loader: of the images; the first OBSERVED and the first VERIFIED of them are used.
        progress: called as images are done.
    """
    regions = any((node.domain, node.op_type) == REGION for node in quantized.graph)
    plain = _fallback(int8, quantized) if regions else None
    try:
        prepared, passes, plan = recover(original, plain or quantized)
    except PlanError as error:
        return Missing(f"{error}; what its tensors stand for is not known")
    observer = quantized.metadata_props["pyq8.observer"]
    known = observer in OBSERVERS and OBSERVERS.get(observer).needs_histogram
    config = Config(observer if known else Config.observer, format=REGIONS if regions else Config.format)
    count = OBSERVED if loader.total is None else min(OBSERVED, loader.total)
    calibration = calibrate(prepared, first_feeds(loader, OBSERVED), config, step(progress, "observe", count))
    kept = step(progress, "compare", min(VERIFIED, count))
    layers = compare(prepared, plain or quantized, plan, first(loader, VERIFIED), kept)[1]
    hidden = HIDDEN if regions and plain is None else None
    return Inside(prepared, passes, plan, calibration, layers, plain or prepared, hidden)


def _fallback(int8: str | Path, quantized: ir.Model) -> ir.Model | None:
    """The same model in QDQ form, if it is there and of the same quantization."""
    path = find_fallback(quantized.metadata_props, Path(int8).parent)
    found = load(path, quantized=True) if path is not None else None
    made = {k: v for k, v in quantized.metadata_props.items() if k != FALLBACK}
    return found if found is not None and found.metadata_props == made else None
