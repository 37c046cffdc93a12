"""The compiled kernels: what the library can run here, and its functions."""

from __future__ import annotations

import ctypes
import os
from functools import cache

from pyq8 import compiled, cpu
from pyq8.compiled import path
from pyq8.errors import UsageError

__all__ = ["CCall", "CConv", "chosen", "load", "names", "path"]

REFERENCE = "reference"


class CConv(ctypes.Structure):
    """Pyq8Conv of csrc/int16/call.h."""

    _fields_ = tuple(
        (name, ctypes.c_int64)
        for name in (
            "n h w c k r s ho wo stride_h stride_w top left dilation_h dilation_w groups".split()  # in its order
        )
    )


class CCall(ctypes.Structure):
    """Pyq8Call of csrc/int16/call.h."""

    _fields_ = (
        ("scale", ctypes.c_float * 2),
        ("peak", ctypes.c_float),
        ("isa", ctypes.c_int32),
        ("chain", ctypes.c_int64),
        ("bound", ctypes.c_int64),
        ("overflows", ctypes.c_int64),
    )


@cache
def load() -> tuple[ctypes.CDLL | None, str]:
    """The library with its functions declared, or None and why not."""
    library, why = compiled.load()
    if library is not None:
        _declare(library)
        library.pyq8_set_threads(cpu.physical_cores())
    return library, why


@cache
def names() -> tuple[str, ...]:
    """The instruction sets that the build and this CPU have, best first; none without the library."""
    library, _ = load()
    if library is None:
        return ()
    found: list[str] = []
    while name := library.pyq8_isa_name(len(found)):
        found.append(name.decode())
    return tuple(found)


def chosen() -> str:
    """The best instruction set, or the one of the environment's PYQ8_ISA.

    Raises:
        UsageError: PYQ8_ISA names none that runs here.
    """
    available = (*names(), REFERENCE)
    name = os.environ.get("PYQ8_ISA") or available[0]
    if name not in available:
        raise UsageError(f"PYQ8_ISA={name}: this build and CPU have {', '.join(available)}")
    return name


def _declare(library: ctypes.CDLL) -> None:
    pointer, number, whole = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
    conv, call = ctypes.POINTER(CConv), ctypes.POINTER(CCall)
    library.pyq8_isa_name.argtypes, library.pyq8_isa_name.restype = [number], ctypes.c_char_p
    library.pyq8_set_threads.argtypes, library.pyq8_set_threads.restype = [number], None
    library.pyq8_set_openmp.argtypes, library.pyq8_set_openmp.restype = [pointer], None
    library.pyq8_forward.argtypes = [conv, call, pointer, pointer, pointer, pointer]
    library.pyq8_backward_data.argtypes = [conv, call, pointer, pointer, pointer]
    library.pyq8_backward_weight.argtypes = [conv, call, pointer, pointer, pointer]
    library.pyq8_peak.argtypes, library.pyq8_peak.restype = [number, whole], whole
    library.pyq8_int8_tile.argtypes = [number, number, number, whole, ctypes.POINTER(number)]
    library.pyq8_int8_tile.restype = whole
    library.pyq8_multiply_add.argtypes, library.pyq8_multiply_add.restype = [number, whole], whole
    library.pyq8_absmax.argtypes, library.pyq8_absmax.restype = [number, pointer, whole], ctypes.c_float
    library.pyq8_absmax16.argtypes = [number, pointer, whole]
    library.pyq8_quantize.argtypes = [number, pointer, whole, pointer, number, pointer]
    library.pyq8_quantize.restype = ctypes.c_float
    library.pyq8_ends.argtypes, library.pyq8_ends.restype = [number, pointer, whole, pointer], None
    library.pyq8_bins.argtypes = [number, pointer, whole, ctypes.c_float, pointer]
    library.pyq8_bins.restype = None
    library.pyq8_gram.argtypes = [number, pointer, *[whole] * 3, number, whole, whole, pointer, pointer]
    library.pyq8_moments.argtypes = [number, pointer, whole, whole, pointer]
    library.pyq8_normalize.argtypes, library.pyq8_normalize.restype = [number, *[pointer] * 4], None
    library.pyq8_norm_backward_sums.argtypes = [number, *[pointer] * 4]
    library.pyq8_norm_backward.argtypes, library.pyq8_norm_backward.restype = [number, *[pointer] * 7], None
