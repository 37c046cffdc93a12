"""From two models and images, or from what quantization knows already, to the document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyq8 import api
from pyq8.calibrate import calibrate
from pyq8.detection.description import read_detector
from pyq8.environment import model_files
from pyq8.errors import DataError, PlanError
from pyq8.groundwork import VERIFIED, Progress, step
from pyq8.inference import batch_size, input_specs, single
from pyq8.loaders import Batch, Loader, Preprocess, open_loader
from pyq8.metrics import METRICS, Metric
from pyq8.metrics.find import find_metric
from pyq8.model import load
from pyq8.observers import OBSERVERS
from pyq8.passes import PassResult
from pyq8.pixel_input import same_input
from pyq8.plan_read import recover
from pyq8.provenance import FACTORS, FLOAT_NODES, remembered_preprocess
from pyq8.report.document import Document, Missing
from pyq8.report.network import find_network
from pyq8.report.ranges import compare_ranges
from pyq8.report.weights import find_weights
from pyq8.report.worst import Watcher
from pyq8.result import Result
from pyq8.stats import Calibration
from pyq8.types import Config, Feeds, Plan
from pyq8.verify.accuracy import image_size
from pyq8.verify.accuracy_demand import DEFAULT_MAX_DROP, DEFAULT_MINIMUM
from pyq8.verify.gate import Verdict
from pyq8.verify.layers import LayerReport, compare
from pyq8.verify.speed import SpeedReport, time_models

if TYPE_CHECKING:
    import onnx_ir as ir

OBSERVED = 100
"""Images of the histograms at most."""


@dataclass(frozen=True)
class Timing:
    """How the models are timed: see `pyq8.verify.speed.time_models`; 0 rounds: not at all."""

    rounds: int = 6
    seconds: float = 0.5


@dataclass(frozen=True)
class _Insight:
    """What is known of the inside of the quantized model."""

    prepared: ir.Model
    passes: tuple[PassResult, ...]
    plan: Plan
    calibration: Calibration
    layers: LayerReport | None


def gather(
    fp32: str | Path,
    int8: str | Path,
    data: str | Path,
    *,
    command: str,
    made: str,
    result: Result | None = None,
    metric: str | None = None,
    truth: str = "annotations",
    detector: str | Path | None = None,
    preprocess: Preprocess | str | None = None,
    samples: int | None = None,
    split: str = "val",
    seed: int | None = None,
    skip_bad: bool = False,
    classes: Sequence[str] = (),
    timing: Timing | None = None,
    progress: Progress | None = None,
    **limits: Any,
) -> Document:
    """Everything for one page; a part that cannot be known says why.

    Args:
        fp32: path of the FP32 model.
        int8: path of the INT8 model.
        data: as for `pyq8.check`, a path.
        command: that makes the same report again.
        made: when.
        result: of the quantization, whose calibration images `data` then are: the verdict does not count.
        metric: as for `pyq8.check`.
        truth: likewise.
        detector: likewise.
        preprocess: likewise.
        samples: likewise.
        split: likewise.
        seed: likewise.
        skip_bad: likewise.
        classes: their names.
        timing: None for the default.
        progress: called as images are done.
        limits: what else `pyq8.check` takes.

    Raises:
        InputError: a model or the data cannot be used.
        UsageError: a limit that does not fit the metric.
    """
    asked = find_metric(metric, data, truth, detector) if metric else None
    quantized = load(int8, quantized=True)
    original, preprocess = same_input(load(fp32), quantized, preprocess)
    loader = open_loader(
        data,
        input_specs(original),
        preprocess=preprocess or remembered_preprocess(quantized),
        split=split,
        samples=samples,
        seed=seed,
        skip_bad=skip_bad,
    )
    watcher = Watcher(loader.preprocess, read_detector(detector) if detector else None)
    verdict = api.check(fp32, int8, loader, metric=asked, progress=progress, watch=watcher, **limits)
    inside = _of_result(result) if result is not None else _look_inside(original, quantized, loader, progress)
    known = inside if isinstance(inside, _Insight) else None
    sqnr = {row.tensor: row.sqnr for row in known.layers.rows} if known and known.layers else {}
    speed = _time(fp32, int8, original, quantized, loader, timing or Timing(), progress)
    times = speed.comparisons[0] if isinstance(speed, SpeedReport) and speed.comparisons else None
    why = inside if isinstance(inside, Missing) else None
    unit, limit = _limit(verdict, asked, limits)
    ranges = compare_ranges(known.calibration.stats, known.plan, sqnr) if known else ()
    return Document(
        made=made,
        command=command,
        judged=result is None,
        verdict=verdict,
        unit=unit,
        limit=limit,
        sizes=(_size(fp32, original), _size(int8, quantized)),
        speed=speed,
        network=find_network(quantized, verdict.report.kernels, sqnr, times),
        sqnr=known.layers if known else None,
        layers=why,
        range_images=known.calibration.samples if known else 0,
        observer=quantized.metadata_props.get("pyq8.observer", ""),
        ranges=ranges or why or Missing("no histograms were kept: the observer needs only the ends of the values"),
        weights=find_weights(known.prepared, known.plan) if known else why or (),
        worst=watcher.worst(),
        passes=known.passes if known else (),
        settings=_settings(quantized),
        halves=result.report.halves if result is not None else None,
        classes=tuple(classes),
    )


def now() -> str:
    """The time, to the minute."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def read_classes(file: str | Path) -> tuple[str, ...]:
    """Names of the classes, one a line, in the order of the model's outputs.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return tuple(line.strip() for line in Path(file).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read ({error}); give a text file with one class a line") from None


def _limit(verdict: Verdict, asked: Metric | None, limits: Mapping[str, Any]) -> tuple[str, float | None]:
    """Unit of the metric that was judged, and what was demanded of it."""
    name = verdict.record["metric"]
    unit = (asked or METRICS.get(name)()).unit
    row = verdict.report.accuracy.find(name) if verdict.report.accuracy else None
    if row is not None and row.drop is None:
        return unit, limits.get("minimum") or DEFAULT_MINIMUM.get(name)
    given = limits.get("max_drop")
    return unit, DEFAULT_MAX_DROP.get(unit) if given is None else given


def _settings(quantized: ir.Model) -> dict[str, str]:
    """What the model remembers of how it was made, digests of lists and arrays apart."""
    long = (FLOAT_NODES, FACTORS, "pyq8.preprocess")
    found = {k: v for k, v in quantized.metadata_props.items() if k.startswith("pyq8.") and k not in long}
    return dict(sorted(found.items()))


def _of_result(result: Result) -> _Insight:
    return _Insight(result.prepared, result.passes, result.plan, result.calibration, result.report.layers)


def _look_inside(
    original: ir.Model, quantized: ir.Model, loader: Loader, progress: Progress | None
) -> _Insight | Missing:
    """Calibrate again, on other images, the model that was quantized; and compare the two layer by layer."""
    try:
        prepared, passes, plan = recover(original, quantized)
    except PlanError as error:
        return Missing(f"{error}; what its tensors stand for is not known")
    observer = quantized.metadata_props["pyq8.observer"]
    config = Config(observer if observer in OBSERVERS and OBSERVERS.get(observer).needs_histogram else Config.observer)
    count = OBSERVED if loader.total is None else min(OBSERVED, loader.total)
    calibration = calibrate(prepared, _feeds(loader, OBSERVED), config, step(progress, "observe", count))
    kept = step(progress, "compare", min(VERIFIED, count))
    layers = compare(prepared, quantized, plan, _first(loader, VERIFIED), kept)[1]
    return _Insight(prepared, passes, plan, calibration, layers)


def _first(batches: Iterable[Batch], count: int) -> Iterable[Batch]:
    for batch in batches:
        if count <= 0:
            return
        part = slice(0, count)
        yield Batch({k: v[part] for k, v in batch.feeds.items()}, batch.labels[part], batch.names[part])
        count -= len(batch)


def _feeds(batches: Iterable[Batch], count: int) -> Iterable[Feeds]:
    return (batch.feeds for batch in _first(batches, count))


def _time(
    fp32: str | Path,
    int8: str | Path,
    original: ir.Model,
    quantized: ir.Model,
    loader: Loader,
    timing: Timing,
    progress: Progress | None,
) -> SpeedReport | Missing:
    if timing.rounds == 0:
        return Missing("the models were not timed")
    size = batch_size(original)
    feeds, _ = next(single(_feeds(loader, size), size))
    inputs = {v.name for v in original.graph.inputs}
    feeds = {k: v for k, v in feeds.items() if k in inputs}
    same = input_specs(load(fp32)) == input_specs(quantized)
    return time_models(
        [str(fp32), str(int8)],
        batch=size,
        rounds=timing.rounds,
        seconds=timing.seconds,
        feeds=feeds if same else None,
        size=None if same else image_size(feeds),
        profile=True,
        progress=_steps(progress),
    )


def _steps(progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda _, total: progress("time", 1, total)


def _size(path: str | Path, model: ir.Model) -> int:
    return sum(file.stat().st_size for file in model_files(path, model))
