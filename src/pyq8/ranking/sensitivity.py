"""How much error each layer causes at the output: alone in INT8, and alone in FP32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pyq8.metrics.sqnr import decibel
from pyq8.plan.groups import find_groups
from pyq8.ranking.diagnosis import Diagnosis
from pyq8.trial import trial
from pyq8.types import Feeds, Plan
from pyq8.verify.judged import Judge, judged_model

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Sensitivity:
    """One group of nodes, see `pyq8.plan.groups`.

    Args:
        group: called after its node with weights.
        nodes: its INT8 nodes.
        alone_int8: noise over signal at the outputs with only this group in INT8.
        alone_fp32: noise over signal with only this group in FP32.
        int8_us: microseconds an image in INT8; None where it was not timed or not found in what runs.
        fp32_us: the same in FP32.
        why: what causes the error; None where nobody looked.
    """

    group: str
    nodes: tuple[str, ...]
    alone_int8: float
    alone_fp32: float
    int8_us: float | None = None
    fp32_us: float | None = None
    why: Diagnosis | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {**asdict(self), "why": self.why.to_json() if self.why else None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Sensitivity:
        """The inverse of `to_json`."""
        why = Diagnosis.from_json(data["why"]) if data["why"] else None
        return cls(**{**data, "nodes": tuple(data["nodes"]), "why": why})


@dataclass(frozen=True)
class SensitivityReport:
    """Every group, the largest error alone in INT8 first.

    Args:
        rows: one a group.
        noise: noise over signal with the whole plan in INT8.
        outputs: names of the tensors that were judged.
        samples: images.
    """

    rows: tuple[Sensitivity, ...]
    noise: float
    outputs: tuple[str, ...]
    samples: int

    def gain(self, row: Sensitivity) -> float:
        """What the whole model gains when this group goes to FP32, dB."""
        return to_decibel(row.alone_fp32) - to_decibel(self.noise) if row.alone_fp32 != self.noise else 0.0

    def __str__(self) -> str:
        width = max((len(row.group) for row in self.rows), default=4)
        lines = ["alone INT8  FP32 gains  INT8 us  FP32 us  node"]
        for row in self.rows:
            times = "  ".join(f"{'-' if us is None else f'{us:.0f}':>7}" for us in (row.int8_us, row.fp32_us))
            error = f"{to_decibel(row.alone_int8):7.1f} dB  {self.gain(row):+7.2f} dB"
            lines.append(f"{error}  {times}  {row.group:{width}}  {row.why or ''}".rstrip())
        more = f" and {len(self.outputs) - 3} more" if len(self.outputs) > 3 else ""
        judged = f"{self.samples} images, judged at {', '.join(self.outputs[:3])}{more}"
        lines.append(f"all in INT8: {to_decibel(self.noise):.1f} dB on {judged}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {
            "samples": self.samples,
            "outputs": list(self.outputs),
            "noise": self.noise,
            "rows": [row.to_json() for row in self.rows],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SensitivityReport:
        """The inverse of `to_json`."""
        rows = tuple(Sensitivity.from_json(row) for row in data["rows"])
        return cls(rows, data["noise"], tuple(data["outputs"]), data["samples"])


def measure_sensitivity(
    prepared: ir.Model,
    plan: Plan,
    batches: Iterable[Feeds],
    progress: Callable[[int], None] | None = None,
) -> SensitivityReport:
    """Run every image through two models a group, and through one that is all INT8.

    Args:
        prepared: the FP32 model that the plan was made for; not changed.
        plan: what is INT8; its biases should correct their own layer only, see `pyq8.trial.own_corrections`.
        batches: {input: array [N, ...]}; images run one at a time, and only FP32 outputs are held.
        progress: called with the number of groups done since the last call.

    Raises:
        ModelError: ONNX Runtime cannot run one of the models.
    """
    model = judged_model(prepared, plan)
    judge = Judge(model, batches)
    groups = find_groups(model, plan)

    def noise(fp32: Sequence[str]) -> float:
        return judge.noise(trial(model, plan, fp32))

    whole = noise(())
    rows = []
    for group in groups:
        others = [name for other in groups if other is not group for name in other.nodes]
        rows.append(Sensitivity(group.name, group.nodes, noise(others), noise(group.nodes)))
        if progress is not None:
            progress(1)
    rows.sort(key=lambda row: -row.alone_int8)
    return SensitivityReport(tuple(rows), whole, tuple(judge.names), judge.samples)


def to_decibel(noise: float) -> float:
    """SQNR of a noise over signal; inf for none."""
    return float(decibel(1.0, noise))
