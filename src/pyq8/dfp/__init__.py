"""INT16 dynamic fixed point: the numbers, and the training of torch modules in them (extra `train`)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pyq8.dfp.arithmetic import add, down_convert, multiply
from pyq8.dfp.options import Bits
from pyq8.dfp.tensor import DfpTensor, dequantize, quantize
from pyq8.errors import UsageError

if TYPE_CHECKING:
    from pyq8.dfp.conversion import convert, revert
    from pyq8.dfp.report import summary

_NEEDS_TORCH = {"convert": "pyq8.dfp.conversion", "revert": "pyq8.dfp.conversion", "summary": "pyq8.dfp.report"}

__all__ = [
    "Bits",
    "DfpTensor",
    "add",
    "convert",
    "dequantize",
    "down_convert",
    "multiply",
    "quantize",
    "revert",
    "summary",
]


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module 'pyq8.dfp' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_NEEDS_TORCH[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UsageError(f"pyq8.dfp.{name} needs torch; pip install 'pyq8[train]'") from None
    globals()[name] = value
    return value
