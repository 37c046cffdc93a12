"""Memory that nothing needs and that still counts as this process's."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> None:
    """Return it to the system: models that are gone, which are circles, and what glibc keeps of what was freed."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
