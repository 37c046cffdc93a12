"""The OpenMP runtime that is in the process already."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

NAMES = re.compile(r"/lib(gomp|iomp5|omp)\b[^/]*\.so[^/]*$")
"""GCC's, Intel's and LLVM's; the last two have GCC's entry points too."""


def parallel(owner: str) -> int | None:
    """The address of its GOMP_parallel; None where no such library is loaded.

    Args:
        owner: folder of a package; of several runtimes the one in it is meant.
    """
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    paths = dict.fromkeys(line.split(maxsplit=5)[-1] for line in lines)
    for path in sorted(filter(NAMES.search, paths), key=lambda path: not path.startswith(owner)):
        function = getattr(ctypes.CDLL(path), "GOMP_parallel", None)
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p).value
    return None
