"""What became of several models, and what is printed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyq8.cli.output import decibel
from pyq8.detection.detector import name_detector

HEADER = ("model", "MiB", "INT8 MiB", "SQNR", "INT8 kernels", "seconds")


@dataclass(frozen=True)
class Outcome:
    """What became of one model.

    Args:
        model: path of the FP32 model.
        out: path of the INT8 model.
        error: why there is none; None where there is.
        warnings: a line each.
        sizes: bytes of both files.
        result: as `pyq8 quantize --json` has it; None with an error.
    """

    model: str
    out: str
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    sizes: tuple[int, int] | None = None
    result: dict[str, Any] | None = None

    __hash__ = None  # type: ignore[assignment]  # holds lists and dicts


def line(outcome: Outcome, done: int, count: int) -> str:
    """A model that is done."""
    return f"[{done}/{count}] {outcome.model} " + (f"-> {outcome.out}" if outcome.error is None else "failed")


def summary(outcomes: Sequence[Outcome]) -> str:
    """A row a model; the error of one that failed."""
    rows = [HEADER, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[i]) for row in rows if len(row) > 2) for i in range(len(HEADER))]
    widths[0] = max(len(row[0]) for row in rows)
    return "\n".join(_align(row, widths) for row in rows)


def _row(outcome: Outcome) -> tuple[str, ...]:
    name = Path(outcome.model).name
    if outcome.result is None or outcome.sizes is None:
        return name, f"failed: {outcome.error}"
    report = outcome.result["report"]
    accuracy, kernels = report["accuracy"], report["kernels"]
    rows = accuracy["rows"] if accuracy is not None else []
    values = [row["value"] for row in rows if row["metric"] == "sqnr"]
    boxes = name_detector(row["output"] for row in rows) is not None  # others are in their places
    sqnr = decibel(values[0]) if values and not boxes else ""
    sizes = (f"{size / 2**20:.1f}" for size in outcome.sizes)
    share = f"{kernels['int8_convolutions']}/{kernels['convolutions']}"
    return name, *sizes, sqnr, share, f"{sum(outcome.result['seconds'].values()):.1f}"


def _align(row: tuple[str, ...], widths: Sequence[int]) -> str:
    name, *rest = row
    if len(rest) == 1:
        return f"{name:{widths[0]}}  {rest[0]}"
    return "  ".join(
        [f"{name:{widths[0]}}", *(f"{text:>{width}}" for text, width in zip(rest, widths[1:], strict=True))]
    )
