"""What the gate demands of a quantized model, and how one demand was met."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pyq8.errors import UsageError

Outcome = Literal["passed", "failed", "inconclusive"]
CRITERIA = ("bound", "estimate")


@dataclass(frozen=True)
class Limits:
    """What the gate demands.

    Args:
        metric: None for what `pyq8.check` takes. Or a metric's name, or "module:function" of one's own.
        max_drop: what the metric may lose, in its unit: percentage points, or dB for sqnr against a baseline.
        minimum: what sqnr (dB) or cosine must reach.
        min_int8: share of the convolutions that must run on INT8 kernels.
        min_speedup: how many times as fast as FP32 the model must be.
        strict_speed: a miss of `min_speedup` fails the gate instead of warning.
        confidence: of the bounds that decide, above 0.5.
        criterion: what fails the gate: "bound", the whole interval lies beyond the limit; "estimate", the measured
            value does. What passes it is the same: the whole interval lies within.

    Raises:
        UsageError: a number that cannot be.
    """

    metric: str | None = None
    max_drop: float | None = None
    minimum: float | None = None
    min_int8: float | None = None
    min_speedup: float | None = None
    strict_speed: bool = False
    confidence: float = 0.95
    criterion: str = "bound"

    def __post_init__(self) -> None:
        for name in ("max_drop", "minimum", "min_int8", "min_speedup"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                option = "--min" if name == "minimum" else "--" + name.replace("_", "-")
                raise UsageError(f"{option} {value}: give a finite number")
        if self.min_int8 is not None and not 0 <= self.min_int8 <= 1:
            raise UsageError(f"--min-int8 {self.min_int8}: give a share from 0 to 1")
        if not 0.5 < self.confidence < 1:
            raise UsageError(f"--confidence {self.confidence}: give a probability above 0.5 and below 1")
        if self.criterion not in CRITERIA:
            raise UsageError(f"--criterion {self.criterion!r}: known are {', '.join(CRITERIA)}")


@dataclass(frozen=True)
class Demand:
    """One demand and its outcome.

    Args:
        name: what it is about: the metric, "kernels" or "speed".
        outcome: passed, failed, or inconclusive: the data do not tell.
        text: what was found, what was demanded, and where it is inconclusive what would settle it.
    """

    name: str
    outcome: Outcome
    text: str


def settle(low: float, value: float, high: float, limit: float, criterion: str) -> Outcome:
    """Whether a loss that lies between two bounds is within a limit."""
    if high <= limit:
        return "passed"
    return "failed" if (low if criterion == "bound" else value) > limit else "inconclusive"
