"""The data sets that come with pyq8."""

from __future__ import annotations

from pathlib import Path

from pyq8.errors import DataError

_PACKAGE = Path(__file__).resolve().parents[1]


def dataset(name: str) -> Path:
    """The folder of an embedded data set: inside the installed package, or beside the sources.

    Raises:
        DataError: there is none of that name.
    """
    for root in (_PACKAGE / "_calib_datasets", _PACKAGE.parents[1] / "calib_datasets"):
        if (root / name).is_dir():
            return root / name
    raise DataError(f"no embedded data set {name!r}; the one there is: digits")
