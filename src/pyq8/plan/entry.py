"""What stands on one line of a plan file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt

from pyq8.types import QTYPES, QParams


def qparams_to_json(qparams: QParams) -> dict[str, Any]:
    """A zero point that is the same in every channel stands there once, and no axis where there is none."""
    zero_points = qparams.zero_point.ravel()
    same = len(set(zero_points.tolist())) == 1
    found = {
        "scale": numbers(qparams.scale) if qparams.axis is not None else numbers(qparams.scale.reshape(1))[0],
        "zero_point": int(zero_points[0]) if same else qparams.zero_point.tolist(),
        "qtype": qparams.qtype.name,
    }
    return found if qparams.axis is None else {**found, "axis": qparams.axis}


def qparams_from_json(data: Any) -> QParams:
    """The inverse of `qparams_to_json`.

    Raises:
        ValueError: says which number cannot be.
        KeyError: one is missing.
    """
    unknown = data.keys() - {"scale", "zero_point", "qtype", "axis"}
    if unknown:
        raise ValueError(f"{min(unknown)!r} is neither scale, zero_point, qtype nor axis")
    if data["qtype"] not in QTYPES:
        raise ValueError(f"qtype {data['qtype']!r}: known are {', '.join(QTYPES)}")
    axis = data.get("axis")
    if axis is not None and not _is_int(axis):
        raise ValueError(f"axis {axis!r} is no whole number")
    scale = vector(data["scale"], 0 if axis is None else 1)
    points = data["zero_point"]
    if not all(map(_is_int, points if isinstance(points, list) else [points])):
        raise ValueError(f"zero_point {points!r} is no whole number")
    zero_point = np.asarray(points, dtype=np.int32)
    if zero_point.shape not in ((), scale.shape):
        raise ValueError(f"{zero_point.size} zero points for {scale.size} scales")
    return QParams(scale, np.array(np.broadcast_to(zero_point, scale.shape)), QTYPES[data["qtype"]], axis)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def vector(data: Any, ndim: int = 1) -> npt.NDArray[np.float32]:
    """Finite numbers: one, shape (), or with `ndim` 1 a list of them.

    Raises:
        ValueError: something else.
    """
    values = data if isinstance(data, list) else [data]
    if isinstance(data, list) != bool(ndim) or not all(isinstance(v, float) or _is_int(v) for v in values):
        raise ValueError(f"{json.dumps(data)[:60]} is not {'a list of numbers' if ndim else 'one number'}")
    with np.errstate(over="ignore"):
        array = np.asarray(data, dtype=np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{values[int(np.argmin(np.isfinite(array.ravel())))]} is no float32 number")
    return array


def string(data: Any) -> str:
    """Text.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(data, str):
        raise ValueError(f"{json.dumps(data)[:60]} is no text")
    return data


def numbers(array: npt.NDArray[np.float32]) -> list[float]:
    """As few digits as give the same float32 again."""
    short = [float(str(x)) for x in array]
    return [s if np.float32(s) == x else float(x) for s, x in zip(short, array, strict=True)]
