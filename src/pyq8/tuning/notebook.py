"""Tries what the search asks for; after every trial the best model and all results are on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.groundwork import Groundwork, Progress, step
from pyq8.model.file import save
from pyq8.model.provenance import remembered_reasons
from pyq8.plan.groups import Group
from pyq8.ranking.sensitivity import SensitivityReport
from pyq8.rewrite import twin
from pyq8.tuning.corrections import Corrections
from pyq8.tuning.exam import Exam
from pyq8.tuning.goal import Estimate, Floats, Goal, Trial, column_name
from pyq8.tuning.ranking import measure_errors, rank
from pyq8.tuning.search import search
from pyq8.tuning.state import State
from pyq8.types import Plan
from pyq8.verify.kernels import check_float, find_kernels
from pyq8.verify.report import make_report

if TYPE_CHECKING:
    import onnx_ir as ir

REASON = "tuning: in INT8 it loses too much"


@dataclass(frozen=True)
class Step:
    """A trial that is done.

    Args:
        number: from 1.
        trial: what was found.
        score: see `Trial.shown`.
        column: what the score is.
        best: whether no trial before it was better.
        known: whether an earlier run had found it.
        left: about how many more there will be.
        seconds: how long they will take, by those of this run; None before the first of it.
    """

    number: int
    trial: Trial
    score: float
    column: str
    best: bool
    known: bool
    left: int
    seconds: float | None


class Notebook:
    """The trials of one search.

    Args:
        base: what models are made of.
        groups: what may go to FP32.
        exam: what judges them.
        ms: estimates their latency.
        goal: what is demanded.
        out: where the best model goes.
        state: what earlier runs found.
        file: where the results go.
        watch: called after every trial.
        progress: called as images are done.
    """

    def __init__(
        self,
        base: Groundwork,
        groups: Sequence[Group],
        exam: Exam,
        ms: Estimate,
        goal: Goal,
        out: Path,
        state: State,
        file: Path,
        watch: Callable[[Step], None] | None,
        progress: Progress | None,
    ) -> None:
        self._base, self._groups, self._exam, self._ms, self._goal = base, groups, exam, ms, goal
        self._out, self._state, self._file, self._watch, self._progress = out, state, file, watch, progress
        self._corrections = Corrections(base)
        self._known = {frozenset(t.floats): t for t in state.trials}
        self._seen: list[Trial] = []
        self._took: list[float] = []
        if state.trials:  # the run before may have ended between the two files
            self.keep(self.best)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All that are known, those of earlier runs included."""
        return self._state.trials

    @property
    def best(self) -> Trial:
        """The best of them."""
        return self._goal.best(self._state.trials)

    @property
    def errors(self) -> SensitivityReport | None:
        """What the ranking rests on; None where none was needed."""
        return self._state.errors

    def rank(self) -> list[str]:
        """The groups, the most useful in FP32 first; measured once."""
        if self._state.errors is None:
            errors = measure_errors(self._base, self._groups, self._progress)
            self._state = replace(self._state, errors=errors)
            self._state.save(self._file)
        assert self._state.errors is not None
        return rank(self._state.errors, self._groups, self._ms)

    @property
    def searched(self) -> int:
        """How many trials the search asked for."""
        return len(self._seen)

    def run(self) -> None:
        """Search until the best choice is known; nothing is tried twice."""
        asking = search(self.rank, self._goal, self._ms)
        with suppress(StopIteration):
            ask = next(asking)
            while True:
                ask = asking.send(self._answer(ask.floats, ask.left))

    def model(self, floats: Floats) -> ir.Model:
        """The model with these groups in FP32."""
        return self._base.carry_out(self._plan(floats))

    def _plan(self, floats: Floats) -> Plan:
        nodes = [node for group in self._groups if group.name in floats for node in group.nodes]
        return self._corrections.plan(nodes, REASON)

    def keep(self, trial: Trial) -> None:
        """Write its model."""
        model = self.model(frozenset(trial.floats))
        reasons = remembered_reasons(model)
        check_float(find_kernels(model, reasons), reasons)
        save(model, self._out)

    def _answer(self, floats: Floats, left: int) -> float:
        before = self._known.get(floats)
        trial = before or self._try(floats)
        if trial not in self._seen:
            self._seen.append(trial)
            if self._watch is not None:
                seconds = sum(self._took) / len(self._took) * (left - 1) if self._took else None
                best = self._goal.best(self._seen) is trial
                metric = self._exam.judged
                score, column = trial.shown(metric.yardstick), column_name(metric.name, metric.yardstick)
                self._watch(Step(len(self._seen), trial, score, column, best, before is not None, left - 1, seconds))
        return trial.loss

    def _try(self, floats: Floats) -> Trial:
        start = time.perf_counter()
        plan = self._plan(floats)
        model = self._base.carry_out(plan)
        name = f"trial {len(self._seen) + 1}"
        loss = self._exam.loss(model, step(self._progress, name, self._exam.samples))
        ordered = tuple(group.name for group in self._groups if group.name in floats)
        trial = Trial(ordered, loss, self._ms(floats))
        state = replace(self._state, trials=(*self._state.trials, trial))
        if self._goal.best(state.trials) is trial:
            base = self._base
            make_report(base.prepared, model, plan, base.kept, twin=twin(base.prepared, plan, base.config.format))
            save(model, self._out)
        state.save(self._file)
        self._state, self._known[floats] = state, trial
        self._took.append(time.perf_counter() - start)
        return trial
