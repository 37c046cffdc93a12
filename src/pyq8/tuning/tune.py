"""Find the nodes that must stay FP32 for a model to be accurate enough, or fast enough, or both."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pyq8.api import check, weight_type
from pyq8.bench.speed import SpeedReport
from pyq8.detection.description import read_detector
from pyq8.detection.detector import Detector
from pyq8.errors import UsageError
from pyq8.gate.accuracy_demand import check_limits
from pyq8.gate.demand import Limits
from pyq8.gate.gate import NO_INT8
from pyq8.groundwork import Clock, Groundwork, Progress, lay_groundwork, step
from pyq8.loaders import Images, Preprocess
from pyq8.metrics import Metric
from pyq8.metrics.average_precision import MeanAveragePrecision
from pyq8.metrics.find import find_metric
from pyq8.metrics.user import UserMetric
from pyq8.model.file import save
from pyq8.model.intake import input_specs
from pyq8.model.parts import find_random
from pyq8.model.pixel_input import pixel_input
from pyq8.plan.groups import find_groups
from pyq8.runtime.environment import environment
from pyq8.tuning.exam import Exam
from pyq8.tuning.goal import Goal, Trial, front, thin
from pyq8.tuning.images import divide
from pyq8.tuning.latency import Latency, find_cap
from pyq8.tuning.notebook import Notebook, Step
from pyq8.tuning.ranking import measure_costs, time_on
from pyq8.tuning.result import Tuning
from pyq8.tuning.state import State, load_state
from pyq8.tuning.tape import Tape
from pyq8.types import Config
from pyq8.verify.judged import OF_BOXES, finds_boxes

TIMED = 6
"""Models of the front that are timed at most."""
ALL_FLOAT = "every node went back to FP32: demand less, or run the FP32 model as it is"
ANYTHING = 1e9
"""A loss that every model keeps within."""


def tune(
    model: str | Path,
    calib: str | Path | Iterable[Any],
    data: str | Path | Iterable[Any],
    out: str | Path,
    *,
    max_drop: float | None = None,
    minimum: float | None = None,
    max_latency: float | str | None = None,
    metric: str | None = None,
    truth: str = "annotations",
    detector: str | Path | Detector | None = None,
    confidence: float = Limits.confidence,
    preprocess: Preprocess | str | None = None,
    samples: int | None = 100,
    search_samples: int = 500,
    split: str = "val",
    seed: int | None = None,
    skip_bad: bool = False,
    observer: str = Config.observer,
    format: str = Config.format,
    target: str = "auto",
    exclude: Sequence[str] = (),
    input: str = "float",
    layout: str = "nhwc",
    color: str = "rgb",
    placement: str = Config.placement,
    effort: str = Config.effort,
    executor: Executor | None = None,
    watch: Callable[[Step], None] | None = None,
    say: Callable[[str], None] | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Quantize, and return to FP32 what must be for the model to lose no more than it may.

    After every trial the best model so far is in `out`, and what was found in `OUT.tune.json`: the same call goes on
    from there.

    Args:
        model: path of the FP32 model.
        calib: images to calibrate on, as for `quantize`.
        data: images to judge by, as for `check`.
        out: where the model goes.
        max_drop: what the metric may lose, as for `check`.
        minimum: what sqnr or cosine must reach, as for `check`.
        max_latency: of an image, in ms, or as a multiple of FP32's: "0.6x".
        metric: as for `check`; the name of one, or "module:function".
        truth: as for `check`.
        detector: as for `check`.
        confidence: of the verdict, as for `check`.
        preprocess: as for `quantize`.
        samples: how many images to calibrate on, None for all.
        search_samples: how many images a trial runs on, at most.
        split: which rows of a labels.csv with a `split` column judge the result.
        seed: as for `quantize`.
        skip_bad: as for `quantize`.
        observer: as for `quantize`.
        format: as for `quantize`.
        target: as for `quantize`.
        exclude: as for `quantize`.
        input: as for `quantize`.
        layout: as for `quantize`.
        color: as for `quantize`.
        placement: as for `quantize`.
        effort: as for `quantize`.
        executor: where the images of every trial are run, as for `quantize`; times are measured here in any case.
        watch: called after every trial.
        say: called with what should be known before the trials, a line at a time.
        progress: called as images are done.

    Raises:
        InputError: the model, the data or an earlier state cannot be used; the message says why and what to do.
        UsageError: an option that cannot be, or no demand.
    """
    if max_drop is None and minimum is None and max_latency is None:
        raise UsageError("nothing is demanded; say --max-drop, --max-latency or both (--min for sqnr and cosine)")
    limits = Limits(metric, max_drop, minimum, confidence=confidence)
    find_cap(max_latency, 1.0)

    def make_metric() -> Metric | None:
        return find_metric(metric, data, truth, detector) if metric is not None else None

    asked, say = make_metric(), say or (lambda _: None)
    patterns = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    config = Config(observer, weight_type(target), patterns, format, placement=placement, effort=effort)
    pixels = pixel_input(input, layout, color, preprocess)
    say(f"quantizing {model}, then trying what to return to FP32")
    base = lay_groundwork(
        model,
        Images(calib, preprocess, samples, "calib", seed, skip_bad),
        config,
        pixels=pixels,
        progress=progress,
        clock=Clock(),
        executor=executor,
    )
    if metric is None and finds_boxes(base.original, base.loader):
        metric, truth = OF_BOXES
        asked = make_metric()
    if preprocess is None and base.loader.preprocess is not None:
        guessed = base.loader.preprocess.preprocess
        say(f"warning: preprocessing was guessed ({guessed}); say --preset or --preprocess if it is wrong")
    for note in find_random(base.original):
        say(f"warning: {note}")
    specs, how = input_specs(base.original), preprocess if pixels is None else pixels.raw
    calibration, judged = (
        Images(source, how, most, rows, seed, skip_bad).open(specs)
        for source, rows, most in ((calib, "calib", search_samples), (data, split, None))
    )
    annotated = asked.check_data(judged) if isinstance(asked, MeanAveragePrecision) else ""
    like = bool(annotated) or isinstance(asked, UserMetric)
    images = divide(calib, data, calibration, judged, like, search_samples)
    with Tape() as tape:
        report = step(progress, "run FP32", images.search.total)
        exam = Exam(base.original, images.search, make_metric, tape, report, executor)
        if max_drop is not None or minimum is not None:
            check_limits(exam.judged, limits, baseline=False)
        say(f"{images.origin}; {exam.samples} images to search on, judged by {exam.judged.name}")

        groups = find_groups(base.prepared, base.plan)
        file = Path(f"{out}.tune.json")
        key = _key(base, exam, annotated, asked, detector)
        state = load_state(file, key)
        if state is None:
            state = State(key, measure_costs(base, groups, progress))
        else:
            say(f"{file}: trials known from before: {len(state.trials)}")
        costs = state.costs
        ms = Latency(base.prepared, base.plan, groups, costs)
        cap = find_cap(max_latency, costs.fp32_ms)
        limit = None if minimum is None else -minimum
        goal = Goal(limit if max_drop is None else max_drop, cap)
        say(
            f"{len(groups)} groups of nodes; an image takes {costs.fp32_ms:.2f} ms in FP32, {costs.int8_ms:.2f} in INT8"
        )
        notebook = Notebook(base, groups, exam, ms, goal, Path(out), state, file, watch, progress)
        notebook.run()

    found = thin(front(notebook.trials), notebook.best, TIMED)
    speed = _time(base, notebook, found, progress)
    fp32, *others = [row.p50_ms / row.batch for row in speed.rows]
    best, timed = notebook.best, dict(zip(found, others, strict=True))
    if cap is not None:
        goal = replace(goal, cap=find_cap(max_latency, fp32))
        best = min(found, key=lambda t: goal.order(replace(t, ms=timed[t])))
        notebook.keep(best)
    verdict = check(
        model,
        out,
        images.verdict,
        metric=find_metric(exam.judged.name, data, truth, detector),
        max_drop=None if exam.judged.yardstick else ANYTHING if max_drop is None else max_drop,
        minimum=None if not exam.judged.yardstick else -ANYTHING if minimum is None else minimum,
        confidence=confidence,
        executor=executor,
        progress=progress,
    )
    if len(best.floats) == len(groups):
        warnings = tuple(ALL_FLOAT if warning == NO_INT8 else warning for warning in verdict.warnings)
        verdict = replace(verdict, warnings=warnings)
    return Tuning(
        best=best,
        trials=notebook.trials,
        front=tuple(found),
        speed=speed,
        goal=goal,
        missed=tuple(_missed(goal, best, timed[best], exam.judged.yardstick)),
        verdict=verdict,
        metric=exam.judged.name,
        yardstick=exam.judged.yardstick,
        costs=costs,
        errors=notebook.errors,
        images=exam.samples,
        searched=notebook.searched,
        origin=images.origin,
    )


def _key(
    base: Groundwork, exam: Exam, annotated: str, metric: Metric | None, detector: str | Path | Detector | None
) -> dict[str, str]:
    """All that a trial's result depends on; a demand is not: trials serve for any."""
    config = {field.name: str(getattr(base.config, field.name)) for field in fields(base.config)}
    where = environment()
    return {
        "model": base.calibration.model_sha256,
        "set of calibration images": base.calibration.data_sha256,
        "set of search images": exam.data_sha256,
        "metric": exam.judged.name,
        "function of the metric": metric.sha256 if isinstance(metric, UserMetric) else "",
        "set of annotations": annotated,
        "detector": str(read_detector(detector) if isinstance(detector, str | Path) else detector),
        **config,
        "CPU": where["cpu"],
        **{f"version of {name}": version for name, version in where["versions"].items()},
    }


def _time(base: Groundwork, notebook: Notebook, trials: Sequence[Trial], progress: Progress | None) -> SpeedReport:
    """FP32 and some trials, measured."""
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        paths = [str(Path(folder) / f"{i}.onnx") for i in range(len(trials) + 1)]
        save(base.original, paths[0])
        for trial, path in zip(trials, paths[1:], strict=True):
            save(notebook.model(frozenset(trial.floats)), path)
        report = time_on(base, paths, progress, "time the front")
    names = ["FP32", *(f"front {i}" for i in range(1, len(paths)))]  # the files are gone
    return replace(report, rows=tuple(replace(row, path=n) for row, n in zip(report.rows, names, strict=True)))


def _missed(goal: Goal, best: Trial, ms: float, yardstick: bool) -> list[str]:
    """What the best model does not meet."""
    found = []
    if goal.limit is not None and not goal.accurate(best.loss):
        reached, least = (-goal.limit, -best.loss) if yardstick else (goal.limit, best.loss)
        wanted, what = (f"reaches {reached:g}", "most") if yardstick else (f"loses at most {reached:g}", "least")
        found.append(f"no trial {wanted} on the search images; the {what} is {least:.4g}")
    if not goal.fast(ms):
        found.append(
            f"it takes {ms:.2f} ms, and {goal.cap:.2f} ms were demanded; no trial that meets the rest is faster"
        )
    return found
