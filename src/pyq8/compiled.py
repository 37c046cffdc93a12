"""The compiled library: where it is, and whether it can be used. What it computes is declared in `kernels/`."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from functools import cache
from pathlib import Path

NAMES = "libpyq8_kernels.so", "libpyq8_kernels.dev.so"
"""Installed, and built into the source tree by `make kernels`."""
VERSION = 7
"""Of the C interface, csrc/common/api.cc."""


def path() -> Path | None:
    """The file, None where pyq8 was built without a compiler; PYQ8_KERNELS is another folder to look in."""
    spec = importlib.util.find_spec("pyq8.kernels")
    installed = spec.submodule_search_locations if spec else None
    folders = [os.environ["PYQ8_KERNELS"]] if "PYQ8_KERNELS" in os.environ else installed or []
    candidates = (Path(folder) / name for folder in folders for name in NAMES)
    return next((file for file in candidates if file.is_file()), None)


@cache
def load() -> tuple[ctypes.CDLL | None, str]:
    """The library, or None and why not."""
    found = path()
    if found is None:
        return None, "no compiled kernels; install a C++17 compiler and reinstall pyq8"
    try:
        library = ctypes.CDLL(str(found))
        version = library.pyq8_version()
    except (OSError, AttributeError) as error:
        return None, f"{found} cannot be loaded ({error}); reinstall pyq8"
    if version != VERSION:
        return None, f"{found} is of another version of pyq8 (interface {version}, not {VERSION}); reinstall pyq8"
    return library, ""
