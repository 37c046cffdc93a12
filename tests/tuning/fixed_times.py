"""Tuning with times that are made up: the same ones every time, and at once.

As a program, `pyq8` with such times: `python -m tests.tuning.fixed_times tune ...`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from pyq8.bench.noise import Noise
from pyq8.bench.speed import SpeedReport, SpeedRow
from pyq8.plan.groups import Group
from pyq8.tuning import tune
from pyq8.tuning.latency import Costs

FP32_MS, INT8_MS = 10.0, 4.0


def fix(put: Callable[[Any, str, Any], None], apart: float = 0.1) -> None:
    """FP32 takes 10 ms, INT8 4 ms, and every group 100 us more in FP32.

    Args:
        put: `setattr`, or that of a test's monkeypatch.
        apart: ms that each model of the front is measured slower than the one before it; the first takes 4 ms.
    """

    def speed(_: object, paths: Sequence[str], __: object, ___: str) -> SpeedReport:
        rows = [_row(path, FP32_MS if i == 0 else INT8_MS + apart * (i - 1)) for i, path in enumerate(paths)]
        return SpeedReport(tuple(rows), 6, 0.95, {1: 1.0}, "", (), {}, Noise(None, None, None), ())

    put(tune, "measure_costs", _costs)
    put(tune, "time_on", speed)


def _costs(_: object, groups: Sequence[Group], __: object) -> Costs:
    names = [group.name for group in groups]
    return Costs(FP32_MS, INT8_MS, dict.fromkeys(names, 150.0), dict.fromkeys(names, 50.0))


def _row(path: str, ms: float) -> SpeedRow:
    return SpeedRow(
        path, 1, 1, ms, ms, ms, 1, 1e3 / ms, FP32_MS / ms, FP32_MS / ms, FP32_MS / ms, 0.0, 1.0, 1.0, None, None
    )  # fmt: skip


if __name__ == "__main__":
    from pyq8.cli import main

    fix(setattr)
    main(sys.argv[1:])
