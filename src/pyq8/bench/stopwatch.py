"""One job, alone in this process: `python -m pyq8.bench.stopwatch '{"job": "time", "path": "m.onnx"}'`.

`pyq8.bench.child` starts it. It prints one JSON line, or one line on stderr and exits with 3.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from pyq8 import cpu
from pyq8.bench.inputs import Size, fit_feeds, make_inputs
from pyq8.bench.operations import count_macs
from pyq8.bench.peak import measure_peak
from pyq8.bench.region_layers import find_names, split_regions
from pyq8.bench.runners import OnnxRunner, Runner, is_openvino, open_runner
from pyq8.bench.trace import read_trace
from pyq8.errors import Pyq8Error
from pyq8.kernels.region_record import record, recorded
from pyq8.model.batch_axis import find_whole
from pyq8.runtime.sessions import Optimize, fails_on
from pyq8.types import Feeds

WARMUP = 3
"""Calls that do not count."""
PROFILED = 50
"""Calls of a profile at most; each writes a line a node."""


def measure(
    path: str, *, batch: int = 1, threads: int = 1, seconds: float = 1.0, size: Size | None = None,
    feeds: str | None = None, optimize: Optimize = "all", whole: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Run the model for `seconds`, and three times at least.

    Args:
        path: of the model.
        batch: samples a call.
        threads: of an operator.
        seconds: how long to measure, after three calls that do not count.
        size: as for `make_inputs`.
        feeds: a .npz of real inputs; repeated or cut to `batch` samples. None for seeded noise.
        optimize: how far ONNX Runtime rewrites the graph; nothing to OpenVINO.
        whole: names of inputs without a batch axis, as `examine` finds them.

    Returns:
        p50_ms, p90_ms, p99_ms (of a call), calls, load_ms, peak_rss_mib, runtime (name, version).

    Raises:
        ModelError: the model does not load, or not run on such inputs.
        DataError: feeds do not name its inputs.
    """
    start = time.perf_counter()
    runner = open_runner(path, threads, optimize)
    load = time.perf_counter() - start
    inputs = _inputs(runner, batch, size, feeds, whole)
    start = time.perf_counter()
    _try(path, inputs, lambda: runner.prepare(inputs))
    load += time.perf_counter() - start
    times = _try(path, inputs, lambda: _time_calls(runner, seconds))
    p50, p90, p99 = np.quantile(times, [0.5, 0.9, 0.99]) * 1e3
    return {
        "p50_ms": float(p50), "p90_ms": float(p90), "p99_ms": float(p99), "calls": len(times),
        "load_ms": load * 1e3, "peak_rss_mib": cpu.peak_rss_mib(), "runtime": runner.runtime,
    }  # fmt: skip


def examine(
    path: str, *, batches: Sequence[int], threads: int, folder: str, size: Size | None = None, feeds: str | None = None
) -> dict[str, Any]:
    """Find out whether the model takes every batch, and how much it computes; time nothing.

    Args:
        path: of the model.
        batches: samples a call; the model runs once, at the largest.
        threads: of an operator.
        folder: for what ONNX Runtime's profiler writes.
        size: as for `make_inputs`.
        feeds: as for `measure`.

    Returns:
        macs: multiply-adds a sample; None for OpenVINO. whole: names of inputs without a batch axis.

    Raises:
        ModelError, DataError: as `measure`.
    """
    import onnx_ir

    if is_openvino(path):
        runner: Runner = open_runner(path, threads)
        for batch in batches:
            _inputs(runner, batch, size, feeds, ())
        return {"macs": None, "whole": []}
    onnx = OnnxRunner(path, threads, optimize="off", prepack=False, profile=Path(folder) / "count")
    whole = sorted(find_whole(onnx_ir.load(path)))
    for batch in sorted(batches):
        inputs = _inputs(onnx, batch, size, feeds, whole)
    onnx.prepare(inputs)
    record(True)
    _try(path, inputs, onnx.run)
    record(False)
    macs = count_macs(read_trace(onnx.session.end_profiling()))
    macs += sum(layer.macs for run in recorded() for layer in run)
    return {"macs": macs / max(batches), "whole": whole}


def profile(
    path: str, *, batch: int, threads: int, seconds: float, folder: str, size: Size | None = None,
    feeds: str | None = None, optimize: Optimize = "all", whole: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """Run an ONNX model as `measure` does, with ONNX Runtime's profiler; arguments as there and for `examine`.

    Returns:
        calls, and nodes: name, op_type and ms of every executed node; the median over calls of its time in a call.
    """
    runner = OnnxRunner(path, threads, optimize=optimize, profile=Path(folder) / "profile")
    inputs = _inputs(runner, batch, size, feeds, whole)
    runner.prepare(inputs)
    record(True)
    calls = len(_try(path, inputs, lambda: _time_calls(runner, seconds, most=PROFILED)))
    record(False)
    times: dict[tuple[str, str], list[float]] = {}
    for event in split_regions(read_trace(runner.session.end_profiling()), recorded(), find_names(path)):
        if event.call >= WARMUP:
            times.setdefault((event.name, event.op_type), [0.0] * calls)[event.call - WARMUP] += event.ms
    return {"calls": calls, "nodes": [[name, op_type, median(ms)] for (name, op_type), ms in times.items()]}


def peak(*, threads: int, seconds: float) -> dict[str, Any]:
    """The INT8 peak, see `measure_peak`: gops, G-operations/s, and runtime (name, version)."""
    import onnxruntime

    return {"gops": measure_peak(threads, seconds), "runtime": ("onnxruntime", onnxruntime.__version__)}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "time": measure, "examine": examine, "profile": profile, "peak": peak,
}  # fmt: skip


def _inputs(runner: Runner, batch: int, size: Size | None, feeds: str | None, whole: Sequence[str]) -> Feeds:
    if feeds is None:
        return make_inputs(runner.specs, batch, size, whole)
    with np.load(feeds) as file:
        return fit_feeds(runner.specs, dict(file), batch, whole)


def _time_calls(runner: Runner, seconds: float, most: int | None = None) -> list[float]:
    """Seconds of every call that counts."""
    for _ in range(WARMUP):
        runner.run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or (time.perf_counter() < end and len(times) != most):
        start = time.perf_counter()
        runner.run()
        times.append(time.perf_counter() - start)
    return times


def _try(path: str, inputs: Feeds, run: Callable[[], Any]) -> Any:
    try:
        return run()
    except Exception as error:  # the runtimes' exceptions share no base but this
        raise fails_on(f"{path}:", inputs, error) from error


def main(argv: Sequence[str] | None = None) -> int:
    """Do the job, print its result."""
    job = json.loads((sys.argv[1:] if argv is None else argv)[0])
    try:
        result = JOBS[job.pop("job")](**job)
    except Pyq8Error as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
