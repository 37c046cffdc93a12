"""Passed, failed or inconclusive: is the quantized model good enough to ship?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pyq8.bench.speed import SpeedRow
from pyq8.gate.baseline import Baseline
from pyq8.gate.demand import Demand, Limits, Outcome
from pyq8.verify.accuracy import AccuracyRow
from pyq8.verify.kernels import KernelReport
from pyq8.verify.report import Report

CHANCE = 5.0
"""Percent; an FP32 model below it says nothing about the quantized one."""
WITHOUT_LABELS = {
    **dict.fromkeys(("top1", "top5"), "--metric agreement"),
    **dict.fromkeys(("map", "map50", "map-voc"), "--truth fp32"),
}
EXIT_CODES: dict[Outcome, int] = {"passed": 0, "failed": 1, "inconclusive": 4}


NO_INT8 = "the model to judge computes nothing in INT8; give the quantized one second"


@dataclass(frozen=True)
class Verdict:
    """The gate's answer.

    Args:
        demands: what was demanded and how it was met.
        warnings: what makes the answer doubtful, one line each.
        report: what it rests on.
        record: what was judged, where, and by which rules; see docs/reference/json.md.
        baseline: the quantized model's results, to judge the next one against.
    """

    demands: tuple[Demand, ...]
    warnings: tuple[str, ...]
    report: Report
    record: Mapping[str, Any]
    baseline: Baseline

    __hash__ = None  # type: ignore[assignment]  # holds a mapping

    @property
    def outcome(self) -> Outcome:
        """The worst of the demands; failed is worse than inconclusive."""
        found = {demand.outcome for demand in self.demands}
        return "failed" if "failed" in found else "inconclusive" if "inconclusive" in found else "passed"

    @property
    def passed(self) -> bool:
        """All demands are met."""
        return self.outcome == "passed"

    @property
    def reasons(self) -> tuple[str, ...]:
        """One line a demand, then one a warning."""
        return (*(demand.text for demand in self.demands), *(f"warning: {text}" for text in self.warnings))

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 4 inconclusive."""
        return EXIT_CODES[self.outcome]

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {
            "verdict": self.outcome,
            "passed": self.passed,
            "reasons": list(self.reasons),
            "demands": [asdict(demand) for demand in self.demands],
            "warnings": list(self.warnings),
            **self.record,
            **self.report.to_json(),
        }


def doubts(row: AccuracyRow, kernels: KernelReport, same: bool) -> list[str]:
    """What makes a verdict doubtful.

    Args:
        row: what is judged.
        kernels: of the quantized model.
        same: both models are the same file.
    """
    found = []
    if same:
        found.append("both models are the same file")
    elif not any(r.int8 for r in kernels.rows):
        found.append(NO_INT8)
    if row.reference is not None and row.metric in WITHOUT_LABELS and row.reference < CHANCE:
        found.append(
            f"FP32 itself scores {row.reference:.2f} %: the labels or the preprocessing do not fit the model; "
            f"{WITHOUT_LABELS[row.metric]} judges without labels"
        )
    return found


def judge_kernels(kernels: KernelReport, minimum: float) -> Demand:
    """Do enough convolutions run in INT8? A model without any has none to miss."""
    total = len(kernels.convolutions)
    share = kernels.int8_convolutions / total if total else 1.0
    text = f"{share:.1%} of the convolutions on INT8 kernels, at least {minimum:.1%} demanded"
    return Demand("kernels", "passed" if share >= minimum else "failed", text)


def judge_speed(row: SpeedRow, limits: Limits) -> tuple[list[Demand], list[str]]:
    """Is the model fast enough in every round? Time is never certain: unless strict, a miss is a warning.

    Returns:
        demands and warnings, one line in one of both.
    """
    assert limits.min_speedup is not None
    outcome: Outcome = "passed" if row.ratio_low >= limits.min_speedup else "inconclusive"
    outcome = "failed" if row.ratio < limits.min_speedup else outcome
    text = (
        f"{row.ratio:.2f}x as fast as FP32, {row.ratio_low:.2f}x in the worst round, "
        f"at least {limits.min_speedup:g}x demanded"
    )
    if outcome == "passed" or limits.strict_speed:
        return [Demand("speed", outcome, text)], []
    return [], [f"{text}; --strict-speed makes it count"]
