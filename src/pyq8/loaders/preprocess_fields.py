"""The fields of a preprocessing description, read from TOML or JSON: names and types are checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyq8.errors import DataError
from pyq8.registry import hint


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, float) or _is_int(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _one_of(*words: str) -> Callable[[object], object]:
    def parse(value: object) -> object:
        if value not in words:
            raise TypeError
        return value

    return parse


def _pixels(value: Any) -> int | None:
    if value is not None and not _is_int(value):
        raise TypeError
    return value  # type: ignore[no-any-return]  # checked above


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if _is_int(value):
        return (value, value)
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_is_int, value)):
        raise TypeError
    return (value[0], value[1])


def _number(value: Any) -> float:
    if not _is_number(value):
        raise TypeError
    return float(value)


def _numbers(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if not values or not all(map(_is_number, values)):
        raise TypeError
    return tuple(map(float, values))


FIELDS: dict[str, tuple[Callable[[Any], object], str]] = {
    "name": (_text, "text"),
    "color": (_one_of("rgb", "bgr", "gray"), "'rgb', 'bgr' or 'gray'"),
    "resize": (_pixels, "a whole number of pixels, the short side"),
    "crop": (_size, "[height, width] in whole pixels"),
    "stretch": (_size, "[height, width] in whole pixels"),
    "letterbox": (_size, "[height, width] in whole pixels"),
    "long_side": (_pixels, "a whole number of pixels"),
    "height": (_pixels, "a whole number of pixels"),
    "min_width": (_pixels, "a whole number of pixels"),
    "max_width": (_pixels, "a whole number of pixels"),
    "multiple": (_pixels, "a whole number of pixels"),
    "fill": (_one_of("pad", "stretch"), "'pad' or 'stretch'"),
    "pad_color": (_numbers, "a list of numbers, one per channel"),
    "pad_at": (_one_of("center", "end"), "'center' or 'end'"),
    "mean": (_numbers, "a list of numbers, one per channel"),
    "std": (_numbers, "a list of numbers, one per channel"),
    "scale": (_number, "a number"),
    "layout": (_one_of("auto", "nchw", "nhwc"), "'auto', 'nchw' or 'nhwc'"),
    "interpolation": (_one_of("bilinear", "bicubic", "nearest"), "'bilinear', 'bicubic' or 'nearest'"),
}
"""Field -> what turns a plain value into the field's type (TypeError refuses), and what is expected."""


def parse_fields(data: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Check names and types of a description's fields.

    Args:
        data: field -> plain value.
        source: the file, for messages.

    Raises:
        DataError: a key that is no field, or a value of the wrong type.
    """
    fields = {}
    for key, value in data.items():
        if key not in FIELDS:
            raise DataError(f"{source}: unknown key {key!r}; {hint(key, FIELDS)}")
        parse, expected = FIELDS[key]
        try:
            fields[key] = parse(value)
        except TypeError:
            raise DataError(f"{source}: {key} is {value!r}; it must be {expected}") from None
    return fields
