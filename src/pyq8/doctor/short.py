"""The short form: a few cases of the kernels that the time goes into, once a process, before anything is quantized."""

from __future__ import annotations

from functools import cache
from importlib import metadata

import numpy as np

from pyq8 import cpu
from pyq8.doctor.examine import ONNXRUNTIME, examine_cases
from pyq8.doctor.products import convolution, gemm
from pyq8.errors import KernelError

RIGHT = (1, 25)
"""The first release of onnxruntime whose INT8 kernels are right on CPUs with AMX and AVX-VNNI.

Source: microsoft/onnxruntime issues 26324 and 27670, mended by 27671.
"""


def require_right_kernels() -> None:
    """Refuse to work where ONNX Runtime's INT8 kernels compute something else than integer arithmetic.

    Raises:
        KernelError: they do; names the version to install.
    """
    if what := _what_is_wrong():
        raise KernelError(what)


@cache
def _what_is_wrong() -> str:
    rng, safe = np.random.default_rng(0), cpu.cpu_class().saturates
    cases = [
        convolution(rng, safe, 32, 48, (5, 7)),
        convolution(rng, safe, 36, 20, (3, 5), 3),
        convolution(rng, safe, 3, 17, (7, 6), 3, 2),
        convolution(rng, safe, 48, 48, (5, 6), 3, groups=48),
        gemm(rng, safe, 3, 67, 33),
    ]
    found = examine_cases("INT8", cases, ONNXRUNTIME)
    return f"{advice()} (here {found.example}); pyq8 doctor examines all of them" if found.wrong else ""


def advice() -> str:
    """What to do about wrong kernels of ONNX Runtime, as one clause."""
    version = metadata.version("onnxruntime")
    old = tuple(int(part) for part in version.split(".")[:2]) < RIGHT
    install = "install 1.25 or newer" if old else "install another release, and report it to its makers"
    return f"onnxruntime {version} computes wrong INT8 results on this CPU ({cpu.cpu_class().name}); {install}"
