"""The register tiles of INT8, each alone on operands in the first cache, beside fused multiply-adds of FP32."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pyq8.kernels import library
from pyq8.kernels.arguments import compiled

MOST_BLOCKS, OUTPUTS = 4, 16
REPEATS = 200
ROUNDS = 30


@dataclass(frozen=True)
class TileRate:
    """What one tile reaches on one core.

    Args:
        isa: its instruction set.
        safe: with weights of which no pair of products saturates in INT16, taken two steps at a time; else with those
            of which each does, or where that is all the same.
        rows, outputs: pixels and output channels that it computes at a time.
        gops: 10^9 operations a second, a product being two.
        fp32: that over the rate of the instruction set's fused multiply-adds; None where there are none.
    """

    isa: str
    safe: bool
    rows: int
    outputs: int
    gops: float
    fp32: float | None


def time_tiles() -> Iterator[TileRate]:
    """Every tile of every instruction set that runs here; the best of ROUNDS, in turn with the FP32 loop."""
    loaded = compiled()
    rows = ctypes.c_int()
    for index, isa in enumerate(library.names()):
        for safe in (True, False):
            for blocks in range(1, MOST_BLOCKS + 1):
                if not loaded.pyq8_int8_tile(index, safe, blocks, 1, ctypes.byref(rows)):
                    continue
                best = real = 0.0
                for _ in range(ROUNDS):
                    start = time.perf_counter()
                    done = loaded.pyq8_int8_tile(index, safe, blocks, REPEATS, ctypes.byref(rows))
                    middle = time.perf_counter()
                    flops = loaded.pyq8_multiply_add(index, 100 * REPEATS)
                    end = time.perf_counter()
                    best, real = max(best, done / (middle - start)), max(real, flops / (end - middle))
                fp32 = best / real if real else None
                yield TileRate(isa, safe, rows.value, OUTPUTS * blocks, best / 1e9, fp32)
