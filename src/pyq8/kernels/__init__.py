"""INT16 x INT16 -> INT32 -> FP32 convolutions, forward and backward: compiled C++, or numpy where there is none.

Activations are channels-last. `available()` tells whether the compiled kernels are used, `reason()` why not, `isas()`
for which instruction sets; the environment's PYQ8_ISA chooses one of them, or `reference`. Results are the same bytes
with each.
"""

from __future__ import annotations

from pyq8.errors import UsageError
from pyq8.kernels import library, openmp
from pyq8.kernels.chain import safe_chain
from pyq8.kernels.memory import empty
from pyq8.kernels.operators import conv_backward_data, conv_backward_weight, conv_forward, gemm, overflows
from pyq8.kernels.quantization import absmax, quantize, quantize_tensor

__all__ = [
    "absmax",
    "available",
    "conv_backward_data",
    "conv_backward_weight",
    "conv_forward",
    "empty",
    "gemm",
    "isas",
    "join_openmp",
    "overflows",
    "quantize",
    "quantize_tensor",
    "reason",
    "safe_chain",
    "set_threads",
]


def available() -> bool:
    """Whether the compiled kernels are there and can run."""
    return not reason()


def reason() -> str:
    """Why the compiled kernels are not used, and what to do; empty where they are."""
    return library.load()[1]


def isas() -> tuple[str, ...]:
    """Of vnni, avx_vnni, avx512, avx2, scalar those that run here, best first; none without the compiled kernels."""
    return library.names()


def join_openmp(owner: str) -> bool:
    """Compute with the threads of the OpenMP runtime that is in the process already; whether there is one.

    Its threads spin for some milliseconds behind every loop, waiting for the next one. Others would have no core
    meanwhile.

    Args:
        owner: folder of the package that uses it.
    """
    loaded, _ = library.load()
    parallel = openmp.parallel(owner)
    if loaded is None or parallel is None:
        return False
    loaded.pyq8_set_openmp(parallel)
    return True


def set_threads(n: int) -> None:
    """Threads of the compiled kernels; at first as many as physical cores.

    Raises:
        UsageError: less than 1.
    """
    if n < 1:
        raise UsageError(f"{n} threads: it takes at least 1")
    loaded, _ = library.load()
    if loaded is not None:
        loaded.pyq8_set_threads(n)
