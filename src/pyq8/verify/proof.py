"""The proof of a file: what it computes in a plain session, beside what its plan was seen to compute.

Both are the same integers, up to a code here and there: ONNX Runtime fuses more where fewer tensors are looked at. So
their errors against FP32 are compared, not their values:

    error of the file <= max(4, e^(11 / sqrt(n))) * error of the plan + n * (largest value / 255)^2

for n values: two errors that only chance makes differ keep to that (5.5 standard deviations of the ratio of two such
sums), and a difference below one code is none. Counted is the better half of the images: a file that ONNX Runtime
breaks is wrong on all of them, and one code may turn a selection on a few. Of integers, what differs is counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyq8.errors import ModelError
from pyq8.graph_edit import RANDOM, behind
from pyq8.metrics.sqnr import decibel
from pyq8.runtime.sessions import run
from pyq8.types import Array, Feeds

if TYPE_CHECKING:
    import onnx_ir as ir

SELECTING = frozenset(
    "TopK NonMaxSuppression ArgMax ArgMin NonZero Unique Hardmax Greater GreaterOrEqual Less LessOrEqual Equal Round "
    "Floor Ceil Sign Cast If Loop".split()
)
"""Operators by which one code more may become any difference."""
LEAST_IMAGES, LEAST_VALUES = 4, 4
"""Below which nothing is said: images of an output behind a selection, and values of any."""
TIMES, SPREAD, CODES, SHARE = 4.0, 11.0, 255, 0.05
"""The figures above, and the share of integers that may differ in any case."""
REPORT = "nothing was kept; try another --format, or --exclude the nodes in question, and please report it to pyq8"


@dataclass(frozen=True)
class _Image:
    """Energies of one output of one image; `allowed` is what no difference is."""

    file: float
    plan: float
    signal: float
    allowed: float
    count: int


class Proof:
    """Errors of a file and of its plan, image by image.

    Args:
        model: the FP32 model.

    Attributes:
        drawn: tensors that depend on what a random operator draws: two runs are never the same, and nothing is proven.
    """

    def __init__(self, model: ir.Model) -> None:
        self._selected = _outputs_from(model.graph, SELECTING)
        self.drawn = _outputs_from(model.graph, RANDOM)
        self._images: dict[str, list[_Image]] = {}

    def add(self, reference: Mapping[str, Array], plan: Mapping[str, Array], file: Mapping[str, Array]) -> None:
        """Count what FP32, the plan and the file returned for the same image.

        Raises:
            ModelError: an output of the file has another type.
        """
        for name, expected in reference.items():
            if file[name].dtype != expected.dtype:
                raise ModelError(
                    f"output {name!r}: the INT8 model returns {file[name].dtype}, FP32 {expected.dtype}; {REPORT}"
                )
            if plan[name].shape == expected.shape and expected.size and expected.dtype.kind in "fiub":
                self._images.setdefault(name, []).append(_measure(expected, plan[name], file[name]))

    def check(self) -> None:
        """Whether the file computes what its plan does.

        Raises:
            ModelError: an output is farther from FP32 than the plan explains.
        """
        for name, images in self._images.items():
            half = (len(images) + 1) // 2
            share = half / len(images)
            count = share * sum(i.count for i in images)
            if count < LEAST_VALUES or (name in self._selected and len(images) < LEAST_IMAGES):
                continue
            file, plan = (sum(sorted(x)[:half]) for x in ([i.file for i in images], [i.plan for i in images]))
            signal, allowed = (share * sum(x) for x in ([i.signal for i in images], [i.allowed for i in images]))
            if file > max(TIMES, math.exp(SPREAD / math.sqrt(count))) * plan + allowed:
                found, expected = (f"{float(decibel(signal, noise)):.1f} dB" for noise in (file, plan))
                raise ModelError(
                    f"output {name!r}: {_runtime()} computes another INT8 model than the one planned, {found} from "
                    f"FP32 instead of {expected}; {REPORT}"
                )


def run_file(session: Any, names: list[str], feeds: Feeds) -> list[Any]:
    """The outputs of the file's session, for inputs that the FP32 model has taken.

    Raises:
        ModelError: it does not run.
    """
    try:
        return run(session, names, feeds)
    except ModelError as error:
        reason = " ".join(str(error.__cause__).split())[:300]
        raise ModelError(f"the INT8 model does not run in {_runtime()} ({reason}); {REPORT}") from error


def _outputs_from(graph: ir.Graph, op_types: frozenset[str]) -> set[str]:
    """The tensors that nodes of some types compute, and all behind."""
    first = [node for node in graph if node.op_type in op_types]
    return {value.name or "" for node in (*first, *behind(graph, first)) for value in node.outputs}


def _runtime() -> str:
    import onnxruntime

    return f"onnxruntime {onnxruntime.__version__}"


def _measure(reference: Array, plan: Array, file: Array) -> _Image:
    if reference.dtype.kind != "f":
        missed = float((plan != reference).sum())
        other = float((file != reference).sum()) if file.shape == reference.shape else math.inf
        return _Image(other, missed, float(reference.size), SHARE * reference.size, reference.size)
    known = np.isfinite(reference) & np.isfinite(plan)
    ref, expected = (x[known].astype(np.float64) for x in (reference, plan))
    signal, largest = float(ref @ ref), float(np.abs(ref).max(initial=0))
    noise = math.inf
    if file.shape == reference.shape and np.isfinite(file[known]).all():
        noise = float(np.square(file[known] - ref).sum())
    return _Image(noise, float(np.square(expected - ref).sum()), signal, ref.size * (largest / CODES) ** 2, ref.size)
