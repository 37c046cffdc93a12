"""How well the range of a tensor fits its values: what is clipped, and how wide a step is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyq8 import affine
from pyq8.model.intake import intake, single
from pyq8.model.parts import with_outputs
from pyq8.types import Array, Feeds, Plan, QParams

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class RangeUse:
    """One tensor's range, and the FP32 values that it has to hold.

    Args:
        tensor: its name.
        low: the smallest value that an integer stands for.
        high: the largest.
        step: between neighbouring integers.
        smallest: value seen.
        largest: value seen.
        median: of the magnitudes of an image's values other than 0, the mean over images.
        clipped: share of the values beyond the range, 0..1.
        noise: sum of squared rounding errors over sum of squares.
        clip_noise: the part of `noise` that comes from values beyond the range.
    """

    tensor: str
    low: float
    high: float
    step: float
    smallest: float
    largest: float
    median: float
    clipped: float
    noise: float
    clip_noise: float

    def __str__(self) -> str:
        held = f"[{self.low:.3g}, {self.high:.3g}]"
        if self.clip_noise > self.noise / 2:
            seen = f"[{self.smallest:.3g}, {self.largest:.3g}]"
            return f"{self.tensor}: {self.clipped:.2%} of the values lie outside {held}, they reach {seen}"
        return f"{self.tensor}: range {held}, a step of {self.step:.2g} for a median of {self.median:.2g}"


def watch_ranges(model: ir.Model, plan: Plan, names: Sequence[str], batches: Iterable[Feeds]) -> dict[str, RangeUse]:
    """Tensor -> how its range fits; the images run one at a time.

    Args:
        model: FP32.
        plan: has the ranges.
        names: of float tensors, inputs or computed.
        batches: {input: array [N, ...]}.
    """
    from pyq8.runtime.sessions import model_session, run

    session = model_session(with_outputs(model, names), spin=False)
    inputs = {v.name for v in model.graph.inputs}
    computed = [name for name in names if name not in inputs]
    sums = {name: _Sums(plan.qparams[name]) for name in names}
    taken = intake(model)
    for feeds, count in single(batches, taken):
        known = {k: v for k, v in feeds.items() if k in inputs}
        known.update(zip(computed, run(session, computed, known) if computed else (), strict=True))
        for name in names:
            values = np.asarray(known[name])
            sums[name].update(values[: len(values) // taken.size * count] if values.ndim else values)
    return {name: each.result(name) for name, each in sums.items()}


class _Sums:
    """What is kept of a tensor."""

    def __init__(self, qparams: QParams) -> None:
        self.qparams = qparams
        self.smallest, self.largest, self.medians = np.inf, -np.inf, list[float]()
        self.count = self.clipped = 0
        self.signal = self.noise = self.clip_noise = 0.0

    def update(self, values: Array) -> None:
        low, high = self.qparams.range
        error = np.square(affine.dequantize(affine.quantize(values, self.qparams), self.qparams) - values)
        half = float(self.qparams.scale) / 2
        beyond = (values < low - half) | (values > high + half)
        others = np.abs(values[values != 0])
        self.smallest = min(self.smallest, float(values.min(initial=np.inf)))
        self.largest = max(self.largest, float(values.max(initial=-np.inf)))
        self.medians += [float(np.median(others))] if others.size else []
        self.count += values.size
        self.clipped += int(np.count_nonzero(beyond))
        self.signal += float(np.vdot(values, values))
        self.noise += float(np.sum(error, dtype=np.float64))
        self.clip_noise += float(np.sum(error[beyond], dtype=np.float64))

    def result(self, name: str) -> RangeUse:
        low, high = self.qparams.range
        signal = self.signal or 1.0
        median = float(np.mean(self.medians)) if self.medians else 0.0
        ends = (self.smallest, self.largest) if self.count else (0.0, 0.0)
        share = self.clipped / max(self.count, 1)
        step = float(self.qparams.scale)
        return RangeUse(name, low, high, step, *ends, median, share, self.noise / signal, self.clip_noise / signal)
