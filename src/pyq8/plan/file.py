"""A plan as a file to edit and to replay: JSON, one line a node and a tensor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pyq8.errors import PlanError
from pyq8.files import write_text
from pyq8.plan.entry import numbers, qparams_from_json, qparams_to_json, string, vector
from pyq8.types import Plan, pack_codes, unpack_codes

KIND, SCHEMA = "pyq8 plan", 1
_HEAD = {"model_sha256": str, "format": str, "metadata": dict}
_SECTIONS = {
    "int8_nodes": list, "float_nodes": dict, "qparams": dict, "bias_shift": dict,
    "channel_factors": dict, "codes": dict,
}  # fmt: skip
"""In the order of the file. What Relu and Clip are absorbed follows from them."""

T = TypeVar("T")


@dataclass(frozen=True)
class PlanFile:
    """A plan, and what else its quantized model is made of.

    Args:
        plan: its `absorbed` is empty: it follows from the model.
        model_sha256: digest of the prepared model that it is for.
        format: "qdq", "qoperator" or "pyq8".
        metadata: what the quantized model remembers of how it was made.
    """

    plan: Plan
    model_sha256: str
    format: str
    metadata: Mapping[str, str]

    def save(self, path: str | Path) -> None:
        """Write beside, then rename.

        Raises:
            OutputError: the file cannot be written.
        """
        write_text("\n".join(self._lines()) + "\n", path)

    def _lines(self) -> Iterator[str]:
        sections: dict[str, Any] = {
            "metadata": dict(self.metadata),
            "int8_nodes": self.plan.int8_nodes,
            "float_nodes": dict(self.plan.float_nodes),
            "qparams": {name: qparams_to_json(q) for name, q in self.plan.qparams.items()},
            "bias_shift": {name: numbers(v) for name, v in self.plan.bias_shift.items()},
            "channel_factors": {name: numbers(v) for name, v in self.plan.channel_factors.items()},
            "codes": {name: pack_codes(v) for name, v in self.plan.codes.items()},
        }
        yield "{"
        for key, value in (("kind", KIND), ("schema", SCHEMA), ("model_sha256", self.model_sha256)):
            yield f' "{key}": {_text(value)},'
        yield f' "format": {_text(self.format)},'
        for i, (key, entries) in enumerate(sections.items()):
            named = isinstance(entries, dict)
            lines = [f"  {_text(e)}: {_text(entries[e])}" if named else f"  {_text(e)}" for e in entries]
            opening, closing = "{}" if named else "[]"
            yield f' "{key}": {opening}'
            yield from [",\n".join(lines)] if lines else []
            yield f" {closing}" + ("," if i < len(sections) - 1 else "")
        yield "}"


def read_plan(path: str | Path) -> PlanFile:
    """Read what `PlanFile.save` wrote, edited or not; see `pyq8.plan.fit` for whether it fits a model.

    Raises:
        PlanError: the file is missing, no JSON, or has an entry of the wrong form; names the entry.
    """
    data = _read(path)
    if (data.get("kind"), data.get("schema")) != (KIND, SCHEMA):
        raise PlanError(
            f"{path}: kind {data.get('kind')!r}, not {KIND!r} of schema {SCHEMA}; write it with --save-plan"
        )
    wanted = _HEAD | _SECTIONS
    for key in data.keys() - {"kind", "schema"} - wanted.keys():
        raise PlanError(f"{path}: {key!r} is no part of a plan; there are {', '.join(wanted)}")
    for key, form in wanted.items():
        if not isinstance(data.get(key), form):
            found = type(data[key]).__name__ if key in data else "not there"
            raise PlanError(f"{path}: {key} is {found}, not a {form.__name__}; write the plan again with --save-plan")

    def each(section: str, read: Callable[[Any], T]) -> dict[str, T]:
        return {name: _entry(f"{path}: {section} {name!r}", value, read) for name, value in data[section].items()}

    names = data["int8_nodes"]
    for name in names:
        if not isinstance(name, str) or names.count(name) > 1:
            raise PlanError(f"{path}: int8_nodes {name!r}: each entry is the name of a node, once")
    plan = Plan(
        qparams=each("qparams", qparams_from_json),
        int8_nodes=tuple(names),
        float_nodes=each("float_nodes", string),
        bias_shift=each("bias_shift", vector),
        channel_factors=each("channel_factors", vector),
        codes=each("codes", unpack_codes),
    )
    return PlanFile(plan, data["model_sha256"], data["format"], each("metadata", string))


def _entry(where: str, value: Any, read: Callable[[Any], T]) -> T:
    try:
        return read(value)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        told = {ValueError: str(error), KeyError: f"no {error}"}
        reason = told.get(type(error), "not of the form that --save-plan writes")
        raise PlanError(f"{where}: {reason}; correct the line or delete it") from None


def _read(path: str | Path) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise PlanError(f"{path}: {name!r} stands there twice; delete one of the lines")
            found[name] = value
        return found

    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"), object_pairs_hook=once)
    except OSError as error:
        raise PlanError(f"{path}: cannot be read: {error.strerror}; write it with --save-plan") from None
    except json.JSONDecodeError as error:
        raise PlanError(f"{path}: line {error.lineno}: no JSON ({error.msg}); mind the commas") from None
    except (ValueError, RecursionError):
        raise PlanError(f"{path}: no text; write it with --save-plan") from None
    if not isinstance(data, dict):
        raise PlanError(f"{path}: no plan; write it with --save-plan")
    return data


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
