"""Two JSON documents of the same command, figure by figure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyq8.errors import DataError

KEYS = ("node", "tensor", "group", "name", "family", "output", "metric", "op_type", "batch", "threads")
"""What tells the entries of a list apart, as far as they have it; other lists go by position."""
LONG = 60
"""Characters of a text that are shown."""


@dataclass(frozen=True)
class Difference:
    """One figure or text that differs.

    Args:
        path: where it is in the documents.
        first: a number, a text, true, false or None; None also where only the other document has it.
        second: likewise.
        difference: second less first, where both are numbers.
    """

    path: str
    first: Any
    second: Any
    difference: float | None

    @property
    def weight(self) -> float:
        """How much it matters: relative to the larger; a text more than any number."""
        if self.difference is None:
            return math.inf
        return float(abs(self.difference) / max(abs(self.first), abs(self.second)))

    def cells(self) -> tuple[str, str, str]:
        """Both values and the change, as text."""
        change = ""
        if self.difference is not None:
            change = f"{self.difference:+.4g}" + (f" ({self.difference / self.first:+.1%})" if self.first else "")
        return _text(self.first), _text(self.second), change


@dataclass(frozen=True)
class Comparison:
    """What differs between two documents.

    Args:
        kind: of both.
        rows: in the order of the documents.
        figures: how many numbers and texts either has.
    """

    kind: str
    rows: tuple[Difference, ...]
    figures: int

    def largest(self, count: int) -> tuple[Difference, ...]:
        """The rows that differ most, in the order of the documents."""
        chosen = sorted(range(len(self.rows)), key=lambda i: -self.rows[i].weight)[:count]
        return tuple(self.rows[i] for i in sorted(chosen))

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {"of": self.kind, "figures": self.figures, "rows": [asdict(row) for row in self.rows]}


def compare(first: str | Path, second: str | Path) -> Comparison:
    """Read two files and put them side by side.

    Raises:
        DataError: one is no JSON of pyq8, or they are of different commands.
    """
    ours, theirs = _read(first), _read(second)
    if (ours["kind"], ours.get("schema")) != (theirs["kind"], theirs.get("schema")):
        said = [
            f"{path} is {data['kind']!r} schema {data.get('schema')}"
            for path, data in ((first, ours), (second, theirs))
        ]
        raise DataError(f"{', '.join(said)}: give two files of the same command")
    a, b = dict(_flatten(ours, "")), dict(_flatten(theirs, ""))
    paths = list(dict.fromkeys([*a, *b]))
    rows = [_row(path, a.get(path), b.get(path)) for path in paths if a.get(path) != b.get(path)]
    return Comparison(ours["kind"], tuple(rows), len(paths))


def _row(path: str, first: Any, second: Any) -> Difference:
    both = _is_number(first) and _is_number(second)
    return Difference(path, first, second, second - first if both else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read(path: str | Path) -> dict[str, Any]:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); write it with --json") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path}: no JSON; write it with --json") from None
    if not isinstance(data, dict) or not str(data.get("kind", "")).startswith("pyq8 "):
        raise DataError(f"{path}: no JSON of pyq8; write it with --json")
    return data


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """(path, number or text) of everything inside."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flatten(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        seen: dict[str, int] = {}
        for i, inner in enumerate(value):
            name = _name(inner) or str(i)
            seen[name] = seen.get(name, 0) + 1
            yield from _flatten(inner, f"{path}[{name}{'' if seen[name] == 1 else f' {seen[name]}'}]")
    elif value is not None:
        yield path, value


def _name(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return ""
    found = {
        key: entry[key] for key in KEYS if entry.get(key) not in (None, "") and not isinstance(entry[key], dict | list)
    }
    return " ".join(f"{key} {value}" if key in ("batch", "threads") else str(value) for key, value in found.items())


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if _is_number(value):
        return f"{value:.4g}" if isinstance(value, float) else str(value)
    text = str(value)
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"
