"""How much a model computes: multiply-adds, from the shapes that it really ran on.

Counted in one run of the graph as it is in the file, so the number is the same for FP32, QDQ and QOperator
forms, and neither open shapes nor loops need inference.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from pyq8.bench.trace import Event

WEIGHT = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "ConvTranspose": 1, "QLinearConv": 3}
"""Convolution -> which input is its weight [M, C / groups, ...] (of ConvTranspose [C, M / groups, ...])."""
GEMM = frozenset({"Gemm", "FusedGemm", "QGemm"})
MATMUL = frozenset(
    "MatMul FusedMatMul MatMulInteger MatMulIntegerToFloat QLinearMatMul DynamicQuantizeMatMul MatMulNBits".split()
)


def count_macs(events: Iterable[Event]) -> int:
    """Multiply-adds of all convolutions, Gemm and MatMul, in any of their integer forms, outside of regions."""
    return sum(_macs(event) for event in events)


def _macs(event: Event) -> int:
    if event.op_type in WEIGHT:
        per_pixel = prod(event.inputs[WEIGHT[event.op_type]][1:])
        return per_pixel * prod(event.inputs[0] if event.op_type == "ConvTranspose" else event.outputs[0])
    if event.op_type in GEMM:  # A is [M, K] or [K, M], the output [M, N]
        return prod(event.inputs[0]) * event.outputs[0][1]
    if event.op_type in MATMUL:
        return prod(event.outputs[0]) * event.inputs[0][-1]
    return 0
