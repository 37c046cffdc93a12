"""The public calls, top to bottom: load -> prepare -> calibrate -> plan -> rewrite -> verify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyq8 import cpu
from pyq8.bench.speed import time_models
from pyq8.detection.detector import Detector
from pyq8.doctor import require_right_kernels
from pyq8.errors import UsageError
from pyq8.gate.accuracy_demand import check_limits, choose, estimate, exactly, judge_accuracy
from pyq8.gate.baseline import Baseline, read_baseline
from pyq8.gate.demand import Limits
from pyq8.gate.gate import Verdict, doubts, judge_kernels, judge_speed
from pyq8.groundwork import Clock, Progress, lay_groundwork, step
from pyq8.loaders import Images, Preprocess
from pyq8.metrics import Metric
from pyq8.metrics.average_precision import MeanAveragePrecision
from pyq8.metrics.find import find_metric
from pyq8.metrics.metric import Outputs
from pyq8.model.file import load
from pyq8.model.intake import input_specs
from pyq8.model.parts import find_random
from pyq8.model.pixel_input import pixel_input, same_input
from pyq8.model.provenance import remembered_preprocess, remembered_reasons
from pyq8.result import Result
from pyq8.rewrite import twin
from pyq8.runtime.environment import BatchDigest, environment, file_sha256
from pyq8.runtime.unsaturated import find_inexact
from pyq8.types import INT8, PAIRED, Config, Feeds, QType
from pyq8.verify.accuracy import AccuracyReport, check_same_interface, measure, plain_row
from pyq8.verify.halves import compare_halves
from pyq8.verify.judged import OF_BOXES, finds_boxes
from pyq8.verify.kernels import KernelReport, find_kernels
from pyq8.verify.report import Report, make_report


def quantize(
    model: str | Path,
    data: str | Path | Iterable[Any],
    *,
    preprocess: Preprocess | str | None = None,
    samples: int | None = 100,
    split: str = "calib",
    seed: int | None = None,
    skip_bad: bool = False,
    observer: str = Config.observer,
    format: str = Config.format,
    target: str = "auto",
    exclude: Sequence[str] = (),
    bias_correction: bool = True,
    input: str = "float",
    layout: str = "nhwc",
    color: str = "rgb",
    placement: str = Config.placement,
    effort: str = Config.effort,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Result:
    """Quantize an FP32 ONNX CNN to INT8.

    Args:
        model: path of the FP32 ONNX file.
        data: a folder of images, a .npz or .npy file, or any iterable of arrays or {input: array}; batches of
            any size.
        preprocess: what to do to images, or the name of a preset; None guesses from the input.
        samples: how many images to calibrate on, None for all.
        split: which rows of a labels.csv that has a `split` column.
        seed: None takes the first samples, a number draws them at random.
        skip_bad: leave unreadable images out instead of stopping.
        observer: how ranges are chosen: percentile, mse, kl, minmax.
        format: "qdq", "qoperator" or "pyq8", which needs `pyq8.register` and runs in pyq8's own kernels.
        target: "vnni", "avx2" (weights that saturate on no CPU, a little coarser) or "auto": this CPU.
        exclude: names or patterns of nodes that stay FP32.
        bias_correction: put the mean of the weights' rounding error back into the biases.
        input: "float" takes what the FP32 model takes; "uint8" takes pixels 0..255, and the normalization of
            `preprocess` becomes part of the model.
        layout: of these pixels, "nhwc" or "nchw".
        color: the order of their channels, "rgb" or "bgr".
        placement: "cost" leaves FP32 what is estimated faster there, "all" nothing that has an INT8 kernel.
        effort: how much work is put into accuracy: "fast", "default" or "best".
        executor: where images are observed, like `pyq8.Workers(4)`; None for threads of this process. The model does
            not depend on it.
        progress: called as images are done.

    Raises:
        InputError: the model or the data cannot be used; the message says why and what to do.
        UsageError: an option that cannot be.
    """
    patterns = (exclude,) if isinstance(exclude, str) else tuple(exclude)
    config = Config(observer, weight_type(target), patterns, format, bias_correction, placement, effort)
    clock = Clock()
    pixels = pixel_input(input, layout, color, preprocess)
    base = lay_groundwork(
        model,
        Images(data, preprocess, samples, split, seed, skip_bad),
        config,
        pixels=pixels,
        progress=progress,
        clock=clock,
        executor=executor,
    )
    plan = base.plan
    quantized = base.carry_out(plan)
    clock.lap("rewrite")
    watched = step(progress, "compare", len(base.kept))
    report = make_report(base.prepared, quantized, plan, base.kept, watched, twin(base.prepared, plan, config.format))
    report = replace(report, halves=compare_halves(base.prepared, base.calibration, plan, config.observer))
    clock.lap("verify")
    return Result(
        quantized,
        base.prepared,
        base.passes,
        base.calibration,
        plan,
        report,
        config,
        clock.seconds,
        cpu.peak_rss_mib(),
        tuple(base.loader.skipped),
    )


def check(
    reference: str | Path,
    candidate: str | Path,
    data: str | Path | Iterable[Any],
    *,
    metric: str | Metric | None = None,
    max_drop: float | None = None,
    minimum: float | None = None,
    confidence: float = Limits.confidence,
    criterion: str = Limits.criterion,
    baseline: str | Path | Baseline | None = None,
    min_int8: float | None = None,
    min_speedup: float | None = None,
    strict_speed: bool = False,
    truth: str = "annotations",
    detector: str | Path | Detector | None = None,
    preprocess: Preprocess | str | None = None,
    samples: int | None = None,
    split: str = "val",
    seed: int | None = None,
    skip_bad: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    watch: Callable[[Outputs, Feeds], None] | None = None,
) -> Verdict:
    """Judge a quantized model against its FP32 original on the same images.

    Args:
        reference: path of the FP32 model.
        candidate: path of the quantized model.
        data: as for `quantize`.
        metric: top1, top5, agreement, sqnr, cosine, equal, map, map50, map-voc, "module:function" of your own, or a
            metric to use once; None takes map50 against FP32 for a detector with NMS in the graph, top1 where there are
            labels, agreement for classifiers without, else sqnr, or equal where all outputs are integers.
        max_drop: what the metric may lose, in its unit: percentage points, or dB for sqnr against a baseline.
        minimum: what sqnr (dB) or cosine must reach.
        confidence: of the bounds that decide, above 0.5.
        criterion: what fails: "bound", all of the interval is beyond the limit; "estimate", the measured value is.
        baseline: results of an accepted model, or the file that has them, to judge against instead of FP32.
        min_int8: share of the convolutions that must run on INT8 kernels, 0 to 1.
        min_speedup: how many times as fast as FP32 it must be; timed at batch 1 as `time_models` does.
        strict_speed: a miss of `min_speedup` fails the gate instead of warning.
        truth: what mAP is measured against: "annotations", annotations.json of the folder `data`, or "fp32", what
            FP32 finds with a score of at least 0.5.
        detector: how to read the outputs, or the TOML file that says it; None guesses from their names.
        preprocess: None takes what the quantized model remembers, else guesses.
        samples: None for all.
        split: which rows of a labels.csv that has a `split` column.
        seed: as for `quantize`.
        skip_bad: as for `quantize`.
        executor: where images are run, as for `quantize`; speed is measured here in any case.
        progress: called as images are done.
        watch: called with the outputs of both models and their inputs, some images at a time.

    Raises:
        InputError: a model or the data cannot be used, or a metric raises.
        UsageError: a limit that does not fit the metric.
    """
    name = metric.name if isinstance(metric, Metric) else metric
    limits = Limits(name, max_drop, minimum, min_int8, min_speedup, strict_speed, confidence, criterion)
    asked = find_metric(metric, data, truth, detector) if isinstance(metric, str) else metric
    before = read_baseline(baseline) if isinstance(baseline, str | Path) else baseline
    if asked is not None:
        check_limits(asked, limits, before is not None)
    fp32, int8 = load(reference), load(candidate, quantized=True)
    fp32, preprocess = same_input(fp32, int8, preprocess)
    check_same_interface(fp32, int8)
    images = Images(data, preprocess or remembered_preprocess(int8), samples, split, seed, skip_bad)
    loader = images.open(input_specs(fp32))
    if asked is None and finds_boxes(fp32, loader):
        name, against_fp32 = OF_BOXES
        asked = find_metric(name, data, against_fp32, detector)
        check_limits(asked, limits, before is not None)
    require_right_kernels()
    digest = BatchDigest(asked.check_data(loader) if isinstance(asked, MeanAveragePrecision) else "")
    watched = step(progress, "check", loader.total)
    metrics, count = measure(fp32, int8, loader, asked, watched, digest.update, executor, watch)
    output, name = key = choose(metrics, name)
    if before is not None:
        before.check(name, output, digest.hexdigest(), str(baseline) if before is not baseline else "baseline")
    judged = estimate(output, metrics[key], confidence, before.results if before else None)
    files = [file_sha256(path, model) for path, model in ((reference, fp32), (candidate, int8))]
    if files[0] == files[1] and before is None:
        judged = exactly(judged)
    rows = [judged if k == key else plain_row(*k, m) for k, m in metrics.items()]
    report = Report(find_kernels(int8, remembered_reasons(int8)), AccuracyReport(tuple(rows), count))
    against = "FP32" if before is None else "the baseline"
    demands = [judge_accuracy(judged, metrics[key], limits, against)]
    warnings = doubts(judged, report.kernels, same=files[0] == files[1])
    warnings += [*find_inexact(int8), *find_random(fp32)]
    if min_int8 is not None:
        demands.append(judge_kernels(report.kernels, min_int8))
    if min_speedup is not None:
        speed = time_models([reference, candidate])
        report = replace(report, speed=speed)
        more, slow = judge_speed(speed.rows[1], limits)
        demands, warnings = demands + more, warnings + slow
    record = {
        "metric": name,
        "confidence": confidence,
        "criterion": criterion,
        "against": against,
        "reference": {"path": str(reference), "sha256": files[0]},
        "candidate": {"path": str(candidate), "sha256": files[1]},
        "data_sha256": digest.hexdigest(),
        **environment(),
    }
    made = Baseline(name, output, digest.hexdigest(), files[1], metrics[key].results, judged.value)
    return Verdict(tuple(demands), tuple(warnings), report, record, made)


def inspect(model: str | Path) -> KernelReport:
    """Which kernel runs every node of a model on this machine, and why the others do not run in INT8.

    Args:
        model: path of an FP32 or quantized ONNX file.

    Raises:
        ModelError: the file cannot be used.
    """
    loaded = load(model, quantized=True)
    return find_kernels(loaded, remembered_reasons(loaded))


def weight_type(target: str) -> QType:
    """The weights' integer type for a target.

    Raises:
        UsageError: no such target.
    """
    if target == "auto":
        target = "vnni" if cpu.has_vnni() else "avx2"
    if target not in ("vnni", "avx2"):
        raise UsageError(f"target {target!r}: known are auto, vnni, avx2")
    return INT8 if target == "vnni" else PAIRED
