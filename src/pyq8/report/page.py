"""The document as one HTML file that needs no other."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyq8.bench.comparison import Comparison, shorten
from pyq8.errors import UsageError
from pyq8.gate.accuracy_demand import UNITS
from pyq8.report import shapes
from pyq8.report.document import Document, Missing
from pyq8.report.network import MARKED, is_folded
from pyq8.verify.kernels import KernelRow

HEADLINES = {
    "passed": "Passed",
    "failed": "Failed",
    "inconclusive": "Inconclusive",
    "not judged": "Not judged: these are its calibration images",
}
SECTIONS = (
    ("network", "Network"),
    ("activations", "Activations"),
    ("weights", "Weights"),
    ("time", "Time"),
    ("images", "Images"),
    ("plan", "Plan"),
    ("reproduce", "Reproduce"),
)
SETTINGS = {
    "pyq8.version": "made by pyq8",
    "pyq8.observer": "observer",
    "pyq8.effort": "effort",
    "pyq8.placement": "placement",
    "pyq8.target": "target",
    "pyq8.bias_correction": "bias correction",
    "pyq8.samples": "calibration images",
    "pyq8.data_sha256": "their digest",
    "pyq8.model_sha256": "digest of the prepared model",
}
"""Of the metadata that the page shows: key -> how it is called."""
LONGEST = 40
"""Characters of a name."""


@dataclass(frozen=True)
class Whisker:
    """The interval of a drop on an axis, in per cent of its length."""

    zero: float
    low: float
    high: float
    value: float
    limit: float | None


def check_extra() -> None:
    """Find out before the work that the page can be written.

    Raises:
        UsageError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise UsageError("the report needs jinja2; install it with: pip install 'pyq8[report]'") from None


def render(document: Document) -> str:
    """HTML, without scripts; the policy in its head forbids every request."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pyq8.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(
        {name: getattr(shapes, name) for name in dir(shapes) if callable(getattr(shapes, name))},
        is_folded=is_folded,
        tail=_tail,
    )
    environment.tests["missing"] = lambda value: isinstance(value, Missing)
    outcome = document.verdict.outcome if document.judged else "not judged"
    text = environment.get_template("report.html").render(
        d=document,
        names=[Path(document.verdict.record[key]["path"]).name for key in ("reference", "candidate")],
        unit=UNITS.get(document.unit, ""),
        judge=_judge(document),
        sections=SECTIONS,
        settings=[(name, document.settings[key]) for key, name in SETTINGS.items() if key in document.settings],
        command=document.command.replace(" --", " \\\n  --"),
        passes=[p for p in document.passes if p.changed or p.refused],
        marked=MARKED,
        outcome=outcome,
        headline=HEADLINES[outcome],
        whisker=_whisker(document),
        reasons=_reasons(document.verdict.report.kernels.rows),
        slow=Counter(r.reason for r in document.verdict.report.kernels.convolutions if r.int8 and not r.fast),
        families=_families(document),
        class_name=lambda index: _class_name(document, index),
    )
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


def _judge(document: Document) -> str:
    """The command that judges the model."""
    paths = [document.verdict.record[key]["path"] for key in ("reference", "candidate")]
    return shlex.join(["pyq8", "check", *paths, "--data", "IMAGES"])


def _class_name(document: Document, index: int) -> str:
    names = document.classes
    kind = "category" if document.worst.kind == "boxes" else "class"
    return names[index] if 0 <= index < len(names) and names[index] else f"{kind} {index}"


def _tail(name: str) -> str:
    """The end of a long name, from one of its parts on: there it differs from others."""
    if len(name) <= LONGEST:
        return name
    end = name[-LONGEST:]
    cut = end.find("/")
    return f"…{end[cut:] if 0 <= cut < LONGEST // 2 else end}"


def _reasons(rows: Sequence[KernelRow]) -> dict[str, list[str]]:
    """Why nodes are FP32 -> their names, the most frequent first."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if not row.int8:
            found.setdefault(row.reason or "no reason is known", []).append(row.node)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _families(document: Document) -> list[tuple[str, float, float]]:
    """(operators, FP32 ms, INT8 ms), the slowest first; see `shorten`."""
    if isinstance(document.speed, Missing) or not document.speed.comparisons:
        return []
    comparison: Comparison = document.speed.comparisons[0]
    return shorten(sorted(comparison.families, key=lambda row: -max(row[1:])))


def _whisker(document: Document) -> Whisker | None:
    """None where there is no drop, or no bound of it."""
    row: Any = document.row
    if row.drop is None or not all(map(_finite, (row.low, row.high, row.drop))):
        return None
    limit = document.limit
    ends = [0.0, row.low, row.high, *([limit] if limit is not None else [])]
    low, high = min(ends), max(ends)
    margin = 0.08 * ((high - low) or 1.0)
    low, high = low - margin, high + margin

    def at(value: float) -> float:
        return round(float(100 * (value - low) / (high - low)), 1)

    return Whisker(at(0.0), at(row.low), at(row.high), at(row.drop), at(limit) if limit is not None else None)


def _finite(value: float | None) -> bool:
    return value is not None and abs(value) < float("inf")
