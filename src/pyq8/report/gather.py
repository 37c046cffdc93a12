"""From two models and images, or from what quantization knows already, to the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyq8 import api
from pyq8.bench.speed import SpeedReport
from pyq8.detection.description import read_detector
from pyq8.errors import DataError, UsageError
from pyq8.gate.accuracy_demand import DEFAULT_MAX_DROP, DEFAULT_MINIMUM
from pyq8.gate.gate import Verdict
from pyq8.groundwork import Progress
from pyq8.loaders import Images, Preprocess
from pyq8.metrics import METRICS, Metric
from pyq8.metrics.find import find_metric
from pyq8.model.file import load
from pyq8.model.intake import input_specs
from pyq8.model.pixel_input import same_input
from pyq8.model.provenance import FACTORS, FLOAT_NODES, remembered_preprocess
from pyq8.report.document import Document, Missing
from pyq8.report.inside import Inside, inside_of_result, look_inside
from pyq8.report.network import find_network
from pyq8.report.ranges import compare_ranges
from pyq8.report.timing import Timing, time_both
from pyq8.report.weights import find_weights
from pyq8.report.worst import Watcher
from pyq8.result import Result
from pyq8.runtime.environment import model_bytes
from pyq8.verify.judged import picks_boxes

if TYPE_CHECKING:
    import onnx_ir as ir


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
    images = Images(data, preprocess or remembered_preprocess(quantized), samples, split, seed, skip_bad)
    loader = images.open(input_specs(original))
    watcher = Watcher(loader.preprocess, read_detector(detector) if detector else None)
    given: dict[str, Any] = {"progress": progress, "watch": watcher, **limits}
    try:
        verdict = api.check(fp32, int8, loader, metric=asked, detector=detector, **given)
    except (DataError, UsageError) as error:
        if result is None or not picks_boxes(original):
            raise
        watcher = given["watch"] = Watcher(loader.preprocess, None)
        verdict = api.check(fp32, int8, loader, metric="sqnr", **given)
        doubt = f"{error}; SQNR stands here instead, which compares boxes in another order"
        verdict = replace(verdict, warnings=(*verdict.warnings, doubt))
    inside = (
        inside_of_result(result) if result is not None else look_inside(original, int8, quantized, loader, progress)
    )
    known = inside if isinstance(inside, Inside) else None
    sqnr = {row.tensor: row.sqnr for row in known.layers.rows} if known and known.layers else {}
    speed = time_both(fp32, int8, original, quantized, loader, timing or Timing(), progress)
    times = speed.comparisons[0] if isinstance(speed, SpeedReport) and speed.comparisons else None
    why = inside if isinstance(inside, Missing) else inside.hidden
    unit, limit = _limit(verdict, asked, limits)
    weights = find_weights(known.prepared, known.plan) if known else ()
    ranges = compare_ranges(known.calibration.stats, known.plan, sqnr) if known else ()
    return Document(
        made=made,
        command=command,
        judged=result is None,
        verdict=verdict,
        unit=unit,
        limit=limit,
        sizes=(model_bytes(fp32, original), model_bytes(int8, quantized)),
        speed=speed,
        network=find_network(quantized, verdict.report.kernels, sqnr, times, known.plain if known else None),
        sqnr=known.layers if known else None,
        layers=why,
        range_images=known.calibration.samples if known else 0,
        observer=quantized.metadata_props.get("pyq8.observer", ""),
        ranges=ranges or why or Missing("no histograms were kept: the observer needs only the ends of the values"),
        weights=weights or why or Missing("no node has INT8 weights"),
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
    by_value = row is not None and row.drop is None
    given = limits.get("minimum" if by_value else "max_drop")
    usual = DEFAULT_MINIMUM.get(name) if by_value else DEFAULT_MAX_DROP.get(unit)
    return unit, usual if given is None else given


def _settings(quantized: ir.Model) -> dict[str, str]:
    """What the model remembers of how it was made, digests of lists and arrays apart."""
    long = (FLOAT_NODES, FACTORS, "pyq8.preprocess")
    found = {k: v for k, v in quantized.metadata_props.items() if k.startswith("pyq8.") and k not in long}
    return dict(sorted(found.items()))
