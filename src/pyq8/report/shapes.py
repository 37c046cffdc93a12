"""Numbers as the outlines and words that the template puts on the page."""

from __future__ import annotations

import math

from pyq8.report.lanes import WIDEST, Row
from pyq8.report.ranges import TensorRange
from pyq8.report.weights import WeightRange

PITCH = 10
"""Pixels between lanes."""
TALL = 28
"""Height of a row's drawing; the page stretches it."""
GRADES = ((30.0, "g0"), (25.0, "g1"), (20.0, "g2"), (15.0, "g3"))
"""SQNR in dB from which on a tensor has this colour; below the last it is red."""
FULL = 40.0
"""SQNR of a full bar."""


def lane(row: Row) -> str:
    """Lines beside a node: its inputs come from above, its output leaves below, others pass."""
    x, half = _x(row.lane), TALL // 2
    parts = [f"M{_x(i)} 0V{TALL}" for i in row.through if i != row.lane]
    joins = [i for i in row.joins if i != row.lane]
    parts += [f"M{x} 0V{half}"] if len(joins) < len(row.joins) else []
    parts += [f"M{_x(i)} 0C{_x(i)} {half} {x} 2 {x} {half}" for i in joins]
    if not row.ends:
        parts.append(f"M{x} {half}V{TALL}")
    return "".join(parts)


def gutter(lanes: int) -> int:
    """Pixels that the lanes of a network take."""
    return PITCH * min(lanes, WIDEST) + 6


def dot(row: Row) -> int:
    """Where the node is."""
    return _x(row.lane)


def grade(sqnr: float | None) -> str:
    """The class of its colour."""
    if sqnr is None:
        return ""
    return next((name for limit, name in GRADES if sqnr >= limit), "g4")


def fill(sqnr: float | None) -> float:
    """Per cent of a full bar."""
    return round(100 * min(max((sqnr or 0.0) / FULL, 0.03), 1.0), 1)


def histogram(counts: TensorRange, width: float = 320.0, height: float = 64.0) -> str:
    """The outline of the counts, their logarithms upward."""
    top = math.log1p(max(counts.counts, default=1)) or 1.0
    step = width / len(counts.counts)
    parts = [f"M0 {height:g}"]
    for i, count in enumerate(counts.counts):
        parts.append(f"V{height * (1 - math.log1p(count) / top):.1f}H{(i + 1) * step:.1f}")
    return "".join(parts) + f"V{height:g}Z"


def place(value: float, counts: TensorRange, width: float = 320.0) -> float:
    """Where a value is on the histogram's axis, inside the picture."""
    span = (counts.high - counts.low) or 1.0
    return round(min(max((value - counts.low) / span, 0.0), 1.0) * width, 1)


def spans(weights: WeightRange, width: float = 256.0, height: float = 36.0) -> str:
    """A stroke a channel from its smallest to its largest weight, 0 in the middle."""
    reach, step = weights.reach or 1.0, width / len(weights.spans)
    parts = []
    for i, (low, high) in enumerate(weights.spans):
        top, bottom = (height / 2 * (1 - v / reach) for v in (high, low))
        parts.append(f"M{(i + 0.5) * step:.1f} {top - 0.5:.1f}V{bottom + 0.5:.1f}")
    return "".join(parts)


def decibel(value: float | None) -> str:
    """A ratio in dB."""
    return "" if value is None else "exact" if math.isinf(value) else f"{value:.1f}"


def number(value: float | None) -> str:
    """At most four digits."""
    if value is None:
        return "-"
    return f"{value:.4g}" if math.isfinite(value) else "∞" if value > 0 else "-∞"


def hundredths(value: float) -> str:
    """Two digits behind the point."""
    return number(value) if math.isinf(value) else f"{round(value, 2) + 0.0:.2f}"


def milliseconds(value: float | None) -> str:
    """Three digits, or fewer of a short time."""
    if value is None:
        return "-"
    return (
        f"{value:.0f}"
        if value >= 100
        else f"{value:.1f}"
        if value >= 10
        else f"{value:.2f}"
        if value >= 1
        else f"{value:.3f}"
    )


def share(value: float) -> str:
    """A part of a whole, 0..1."""
    return f"{100 * value:.2g} %"


def size(count: float) -> str:
    """Bytes."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"


def _x(index: int) -> int:
    return 6 + PITCH * index
