"""One choice of nodes for FP32, what it loses and how long it takes, and when that is good enough."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Floats = frozenset[str]
"""Names of the groups in FP32."""
Estimate = Callable[[Floats], float]
"""Milliseconds of an image with these groups in FP32."""


@dataclass(frozen=True)
class Trial:
    """One model that was tried.

    Args:
        floats: the groups in FP32, in graph order.
        loss: of the search images, in the metric's unit: FP32's score less its own, or for a metric without a score of
            FP32 its score negated. Infinite where the metric is not a number.
        ms: estimated latency of one image.
    """

    floats: tuple[str, ...]
    loss: float
    ms: float

    def shown(self, yardstick: bool) -> float:
        """What a user knows the loss by: the drop, or the score of a metric for which FP32 is the yardstick."""
        return -self.loss if yardstick else self.loss

    def to_json(self) -> dict[str, Any]:
        """A dict that `from_json` reads back; an infinite loss is text."""
        return {**asdict(self), "loss": self.loss if math.isfinite(self.loss) else str(self.loss)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        """The inverse of `to_json`."""
        return cls(tuple(data["floats"]), float(data["loss"]), float(data["ms"]))


@dataclass(frozen=True)
class Goal:
    """What is demanded of a model.

    Args:
        limit: the largest loss; None for the least that is fast enough.
        cap: the largest latency, ms; None for the least that is accurate enough.
    """

    limit: float | None
    cap: float | None = None

    def accurate(self, loss: float) -> bool:
        """Whether so much may be lost."""
        return self.limit is None or loss <= self.limit

    def fast(self, ms: float) -> bool:
        """Whether it may take so long."""
        return self.cap is None or ms <= self.cap

    def order(self, trial: Trial) -> tuple[float, ...]:
        """A key that sorts the best trial first: what meets all, then what is accurate enough, then what loses least.

        Where only a latency is demanded, what is fast enough, then what loses least.
        """
        slow = not self.fast(trial.ms)
        if self.limit is None and not slow:
            return (0, trial.loss, trial.ms)
        if self.accurate(trial.loss):
            return (slow, trial.ms, trial.loss)
        return (2, trial.loss, trial.ms)

    def best(self, trials: Iterable[Trial]) -> Trial:
        """The first of them in this order; of equal ones the one tried first."""
        return min(trials, key=self.order)


def thin(trials: list[Trial], best: Trial, most: int) -> list[Trial]:
    """At most so many of them, evenly, the first, the last and the best among them."""
    if len(trials) <= most:
        return trials
    last = len(trials) - 1
    chosen = {round(i * last / (most - 2)) for i in range(most - 1)}
    return [trial for i, trial in enumerate(trials) if i in chosen or trial == best]


def front(trials: Iterable[Trial]) -> list[Trial]:
    """The trials that no other beats in both loss and latency, fastest first; of equal ones the first."""
    found: list[Trial] = []
    for trial in sorted(trials, key=lambda t: (t.ms, t.loss)):
        if not found or trial.loss < found[-1].loss:
            found.append(trial)
    return found


def column_name(metric: str, yardstick: bool) -> str:
    """What `Trial.shown` is."""
    return metric if yardstick else f"{metric} drop"
