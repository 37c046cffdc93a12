"""Pass or fail: is the quantized model good enough to ship?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyq8.errors import UsageError
from pyq8.metrics import METRICS
from pyq8.verify.report import Report

DEFAULT_MAX_DROP = 1.0
"""Percentage points."""
CHANCE = 5.0
"""Percent; an FP32 model below it says nothing about the quantized one."""
DEFAULT_MINIMUM = {"sqnr": 15.0, "cosine": 0.99}


@dataclass(frozen=True)
class Limits:
    """What the gate demands.

    Args:
        metric: None takes top1 where there are labels, agreement for classifiers without, else sqnr.
        max_drop: percentage points that top1, top5 or agreement may lose.
        minimum: what sqnr (dB) or cosine must reach.
        min_int8: share of the convolutions that must run on INT8 kernels.
    """

    metric: str | None = None
    max_drop: float | None = None
    minimum: float | None = None
    min_int8: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The gate's answer.

    Args:
        passed: all demands are met.
        reasons: one line a demand: what was found, what was demanded.
        report: what it rests on.
    """

    passed: bool
    reasons: tuple[str, ...]
    report: Report

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed."""
        return 0 if self.passed else 1

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {"passed": self.passed, "reasons": list(self.reasons), **self.report.to_json()}


def judge(report: Report, limits: Limits) -> Verdict:
    """Compare a report with the limits.

    Raises:
        UsageError: a limit that does not fit the metric.
    """
    assert report.accuracy is not None
    candidates = [limits.metric] if limits.metric else ["top1", "agreement", "sqnr"]
    row = next((r for m in candidates if (r := report.accuracy.find(m)) is not None), None)
    if row is None:
        labels = " and labels (labels.csv, class folders, 'labels' in a .npz)" if needs_labels(candidates[0]) else ""
        raise UsageError(f"metric {candidates[0]!r} needs a first output [N, classes]{labels}; try sqnr or cosine")
    if row.drop is not None:
        if limits.minimum is not None:
            raise UsageError(f"--min does not fit {row.metric}, which is judged by its drop; use --max-drop")
        limit = DEFAULT_MAX_DROP if limits.max_drop is None else limits.max_drop
        good = row.drop <= limit
        before = "" if row.reference is None else f" from {row.reference:.2f}"
        text = f"{row.metric} {row.value:.2f} %{before}: a drop of {row.drop:.2f} points, at most {limit:g} allowed"
    else:
        if limits.max_drop is not None:
            raise UsageError(f"--max-drop does not fit {row.metric}, which has no points; use --min")
        limit = DEFAULT_MINIMUM[row.metric] if limits.minimum is None else limits.minimum
        good = row.value >= limit
        unit = " dB" if row.metric == "sqnr" else ""
        text = f"{row.metric} {row.value:.4g}{unit}, at least {limit:g}{unit} demanded"
    if len({r.output for r in report.accuracy.rows}) > 1:
        text = f"{row.output}: {text}"
    passed, reasons = good, [text]
    if row.reference is not None and row.reference < CHANCE:
        reasons.append(
            f"warning: FP32 itself scores {row.reference:.2f} %: the labels or the preprocessing do not fit the model; "
            "--metric agreement judges without labels"
        )
    if limits.min_int8 is not None:
        kernels = report.kernels
        share = kernels.int8_convolutions / max(1, len(kernels.convolutions))
        passed = passed and share >= limits.min_int8
        reasons.append(f"{share:.1%} of the convolutions on INT8 kernels, at least {limits.min_int8:.1%} demanded")
    return Verdict(passed, tuple(reasons), report)


def needs_labels(metric: str | None) -> bool:
    """Whether a metric cannot do without labels."""
    return metric is not None and METRICS.get(metric)().needs_labels
