"""What tuning found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pyq8._version import __version__
from pyq8.bench.speed import SpeedReport
from pyq8.gate.gate import EXIT_CODES, Verdict
from pyq8.ranking.sensitivity import SensitivityReport
from pyq8.tuning.goal import Goal, Trial, column_name
from pyq8.tuning.latency import Costs


@dataclass(frozen=True)
class Tuning:
    """The best model's choice, and what it was chosen from.

    Args:
        best: of the trials; its model was saved.
        trials: all that are known, in order; those of earlier runs that this search did not need too.
        front: those that no other beats in both loss and latency, fastest first; at most 6, which were timed.
        speed: of FP32 and of the front, in this order.
        goal: what was demanded, as a loss and in ms of FP32's latency as it was measured last.
        missed: demands that no trial meets, one line each.
        verdict: of the best model, on images that the search never saw.
        metric: what was judged.
        yardstick: whether FP32 is its yardstick: then losses are its scores negated.
        costs: of the groups.
        errors: what the groups were ranked by; None where no ranking was needed.
        images: how many were searched on.
        searched: how many trials the search asked for.
        origin: where the images of search and verdict come from.
    """

    best: Trial
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    speed: SpeedReport
    goal: Goal
    missed: tuple[str, ...]
    verdict: Verdict
    metric: str
    yardstick: bool
    costs: Costs
    errors: SensitivityReport | None
    images: int
    searched: int
    origin: str

    @property
    def column(self) -> str:
        """What `Trial.shown` is here."""
        return column_name(self.metric, self.yardstick)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the verdict says, one line each; without a demand of accuracy what was measured."""
        if self.goal.limit is not None:
            return self.verdict.reasons
        assert self.verdict.report.accuracy is not None
        row = next(r for r in self.verdict.report.accuracy.rows if r.low is not None)
        what = f"{row.metric} {row.value:.4g}" + (
            "" if row.reference is None else f", FP32 {row.reference:.4g}: a drop"
        )
        return (f"{what} [{row.low:.2f}, {row.high:.2f}] on images that the search never saw",)

    @property
    def side_cost(self) -> float:
        """As many trials as ranking the groups and choosing biases cost, images run through models over `images`."""
        if self.errors is None:
            return 0.0
        models = 2 * len(self.errors.rows) + 1 + 2 * (self.searched - 1)
        return self.errors.samples * models / self.images

    @property
    def exit_code(self) -> int:
        """1 where a demand is missed, else that of the verdict; where only a latency is demanded, 0."""
        if self.missed:
            return 1
        return 0 if self.goal.limit is None else EXIT_CODES[self.verdict.outcome]

    def to_json(self) -> dict[str, Any]:
        """As documented in docs/reference/json.md."""
        rows = zip(self.front, self.speed.rows[1:], strict=True)
        return {
            "kind": "pyq8 tune",
            "schema": 1,
            "version": __version__,
            "metric": self.metric,
            "yardstick": self.yardstick,
            "origin": self.origin,
            "images": self.images,
            "goal": asdict(self.goal),
            "best": self.best.to_json(),
            "missed": list(self.missed),
            "searched": self.searched,
            "side_cost": self.side_cost,
            "trials": [trial.to_json() for trial in self.trials],
            "front": [{**trial.to_json(), "measured_ms": row.p50_ms / row.batch} for trial, row in rows],
            "costs": asdict(self.costs),
            "errors": None if self.errors is None else self.errors.to_json(),
            "speed": self.speed.to_json(),
            "verdict": self.verdict.to_json(),
        }
