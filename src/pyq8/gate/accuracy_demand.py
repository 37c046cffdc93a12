"""Did the model lose more than it may? The interval decides, not the measured value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from pyq8.errors import DataError, ModelError, UsageError
from pyq8.gate.bootstrap import FEWEST, bootstrap
from pyq8.gate.demand import Demand, Limits, settle
from pyq8.gate.interval import images_needed, paired_drop
from pyq8.metrics import METRICS, Metric
from pyq8.metrics.metric import is_proportion
from pyq8.types import Array
from pyq8.verify.accuracy import NO_NUMBERS, AccuracyRow

DEFAULT_MAX_DROP = {"points": 1.0, "dB": 1.0}
"""By the metric's unit, where it has a reference."""
DEFAULT_MINIMUM = {"sqnr": 15.0, "cosine": 0.99}
AUTOMATIC = ("top1", "agreement", "sqnr", "equal")
"""What is judged where nothing is asked for: the first of these that was measured."""
UNITS = {"points": " %", "dB": " dB"}
"""What follows a score."""


def choose(metrics: Mapping[tuple[str, str], Metric], wanted: str | None) -> tuple[str, str]:
    """(output, metric) that is judged.

    Raises:
        UsageError: the metric could not be measured on this model and these data.
        ModelError: nothing is asked for, and no output is made of numbers.
    """
    if not metrics and wanted is None:
        raise ModelError(NO_NUMBERS)
    candidates = (wanted,) if wanted else AUTOMATIC
    found = next((key for name in candidates for key in metrics if key[1] == name), None)
    if found is None:
        asked = candidates[0]
        need = (
            " and labels (labels.csv, class folders, 'labels' in a .npz)" if METRICS.get(asked)().needs_labels else ""
        )
        raise UsageError(f"metric {asked!r} needs a first output [N, classes]{need}; try sqnr or cosine")
    return found


def estimate(output: str, metric: Metric, confidence: float, baseline: Array | None = None) -> AccuracyRow:
    """Value, drop and bounds of what is judged.

    Args:
        output: name of the model's output.
        metric: what was measured.
        confidence: of each bound.
        baseline: results of another model on the same images, instead of FP32's.
    """
    results = metric.results
    before = metric.reference_results if baseline is None else baseline
    value = metric.value
    if before is None:
        found = bootstrap(lambda counts: metric.score(results, counts), metric.samples, confidence)
        return AccuracyRow(output, metric.name, None, value, None, found.low, found.high)
    reference = float(metric.score(before)[0])
    drop = _difference(reference, value)
    if is_proportion(before) and is_proportion(results):
        lost, won = int((before > results).sum()), int((before < results).sum())
        found, unit = paired_drop(lost, won, len(results), confidence), 100 if metric.unit == "points" else 1
        low, high = unit * found.low, unit * found.high
        return AccuracyRow(output, metric.name, reference, value, drop, low, high, lost, won)
    found = bootstrap(
        lambda counts: metric.score(before, counts) - metric.score(results, counts),
        metric.samples,
        confidence,
        draws=metric.draws,
        smooth=metric.smooth,
    )
    low, high = found.low, found.high
    if metric.informative < FEWEST:
        low, high = -math.inf, math.inf
    elif low == high and metric.unit == "points":  # as if no image was right in one only
        rare = 100 * paired_drop(0, 0, metric.informative, confidence).high
        low, high = low - rare, high + rare
    return AccuracyRow(output, metric.name, reference, value, drop, low, high)


def check_limits(metric: Metric, limits: Limits, baseline: bool) -> None:
    """Refuse a limit that does not fit the metric.

    Args:
        metric: what is judged.
        limits: what is demanded.
        baseline: whether there are results to judge against other than FP32's.

    Raises:
        UsageError: naming the option that would fit.
    """
    name, by_drop = metric.name, baseline or not metric.yardstick
    if not by_drop and limits.max_drop is not None:
        raise UsageError(f"--max-drop does not fit {name}, which has no drop without --baseline; use --min")
    if by_drop and limits.minimum is not None:
        raise UsageError(f"--min does not fit {name}, which is judged by its drop; use --max-drop")
    if by_drop and limits.max_drop is None and metric.unit not in DEFAULT_MAX_DROP:
        raise UsageError(f"{name} has no usual drop; say --max-drop, in its own unit")


def exactly(row: AccuracyRow) -> AccuracyRow:
    """The row of a model compared with itself: there is nothing to be unsure of."""
    value = row.value if row.drop is None else 0.0
    return replace(row, low=value, high=value)


def judge_accuracy(row: AccuracyRow, metric: Metric, limits: Limits, against: str) -> Demand:
    """Compare one row with the limits.

    Args:
        row: of `estimate`.
        metric: what was measured.
        limits: what is demanded.
        against: what the reference is, for the text: "FP32" or "baseline".

    Raises:
        UsageError: a limit that does not fit the metric.
        DataError: the score is not a number.
    """
    assert row.low is not None and row.high is not None
    check_limits(metric, limits, baseline=against != "FP32")
    if math.isnan(row.value):
        raise DataError(f"{row.metric}: its value is not a number; there was nothing to find in the data")
    unit = UNITS.get(metric.unit, "")
    sure = f"at {limits.confidence:g} confidence"
    if row.drop is None:
        limit = DEFAULT_MINIMUM[row.metric] if limits.minimum is None else limits.minimum
        outcome = settle(-row.high, -row.value, -row.low, -limit, limits.criterion)
        text = (
            f"{row.metric} {row.value:.4g}{unit} [{row.low:.4g}, {row.high:.4g}] {sure}, "
            f"at least {limit:g}{unit} demanded"
        )
    else:
        limit = DEFAULT_MAX_DROP[metric.unit] if limits.max_drop is None else limits.max_drop
        outcome = settle(row.low, row.drop, row.high, limit, limits.criterion)
        points = {"points": " points", "dB": " dB"}.get(metric.unit, "")
        text = (
            f"{row.metric} {row.value:.4g}{unit}, {against} {row.reference:.4g}{unit}: a drop of "
            f"{row.drop:.2f}{points} [{row.low:.2f}, {row.high:.2f}] {sure}, at most {limit:g} allowed"
        )
    if outcome == "inconclusive":
        text += f"; {_remedy(row, metric, limit, limits.confidence)}"
    return Demand(row.metric, outcome, text)


def _remedy(row: AccuracyRow, metric: Metric, limit: float, confidence: float) -> str:
    samples = metric.samples
    if row.lost is None and not math.isfinite(row.high or 0.0):
        return f"too few images that count ({metric.informative}); give at least {FEWEST}"
    needed = _needed(row, metric.unit, samples, limit, confidence)
    if needed is None:
        return f"{samples} images do not tell, as it measures just the limit; more may"
    return f"too few images ({samples}); about {needed} would do, if they differ as often"


def _needed(row: AccuracyRow, unit: str, samples: int, limit: float, confidence: float) -> int | None:
    """Bounds approach the estimate as 1 / sqrt(N)."""
    if row.lost is not None and row.won is not None:
        share = limit / 100 if unit == "points" else limit
        return images_needed(row.lost, row.won, samples, share, confidence)
    assert row.low is not None and row.high is not None
    middle = row.value if row.drop is None else row.drop
    away = abs(middle - limit)
    wide = abs((row.high if (middle < limit) else row.low) - middle)
    return math.ceil(samples * (wide / away) ** 2) if away > 0 and math.isfinite(wide) else None


def _difference(reference: float, value: float) -> float:
    return 0.0 if reference == value else reference - value
