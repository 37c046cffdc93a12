"""A detector's description in a TOML file."""

from __future__ import annotations

import difflib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from pyq8.detection.detector import Detector
from pyq8.detection.priors import prior_boxes
from pyq8.errors import DataError
from pyq8.files import read_toml
from pyq8.types import Array


def read_detector(path: str | Path) -> Detector:
    """A TOML file whose keys are the fields of `Detector`; see docs/reference/detection.md for `[priors]`.

    Raises:
        DataError: it cannot be read, or a key or value is not known; says which.
    """
    path = Path(path)
    data = read_toml(path)
    known = {field.name: field for field in fields(Detector)}
    for key, value in data.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise DataError(
                f"{path}: unknown key {key!r}; {f'did you mean {near[0]!r}?' if near else ', '.join(known)}"
            )
        if key != "priors" and not _fits(value, str(known[key].type)):
            raise DataError(f"{path}: {key} is {value!r}; it must be {known[key].type}")
    if "head" in data and "boxes" in data:
        data.setdefault("scores", data["boxes"])
    missing = [key for key in ("boxes", "scores") if key not in data]
    if missing:
        raise DataError(f"{path}: {missing[0]} is missing; give the name of an output")
    priors = data.pop("priors", None)
    given: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    try:
        detector = Detector(**given)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return detector if priors is None else replace(detector, priors=_priors(path, priors))


def _fits(value: Any, kind: str) -> bool:
    kinds: dict[str, tuple[type, ...]] = {
        "str": (str,), "bool": (bool,), "int": (int,), "float": (int, float), "tuple[float, ...]": (list,),
    }  # fmt: skip
    if isinstance(value, bool) != (kind == "bool"):
        return False
    return isinstance(value, kinds[kind]) and (not isinstance(value, list) or all(_fits(v, "float") for v in value))


def _priors(path: Path, table: Any) -> Array:
    try:
        file = table.get("file")
        priors = np.load(path.parent / file, allow_pickle=False) if file else prior_boxes(**table)
        priors = np.asarray(priors, np.float64)
        if priors.ndim != 2 or priors.shape[1] != 4:
            raise ValueError(f"shape {priors.shape}, not [A, 4]")
    except (OSError, AttributeError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        reason = " ".join(f"{error}".split())
        raise DataError(f"{path}: [priors] cannot be used ({reason}); see docs/reference/detection.md") from None
    return priors
