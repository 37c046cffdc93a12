"""Time models against each other: each alone in a fresh process, in interleaved rounds.

Sessions that share a process disturb each other, and a machine's clock drifts. So every round starts
every model anew, every other round in reverse order, and speeds are compared within a round only.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import numpy as np

from pyq8 import cpu
from pyq8._version import __version__
from pyq8.bench.child import run_alone
from pyq8.bench.inputs import Size
from pyq8.bench.median import median_interval
from pyq8.bench.noise import CpuWatch, Noise
from pyq8.bench.profile import profile_model
from pyq8.bench.runners import is_openvino
from pyq8.bench.speed_report import SpeedReport, SpeedRow
from pyq8.errors import ModelError, UsageError
from pyq8.runtime.sessions import LEVELS, Optimize
from pyq8.types import Feeds

__all__ = ["SpeedReport", "SpeedRow", "time_models"]


CROWD = 4
"""Threads a CPU beyond which only the waiting would be timed."""


def time_models(
    paths: Sequence[str | os.PathLike[str]],
    *,
    batch: int | Sequence[int] = 1,
    threads: int | Sequence[int] | None = None,
    rounds: int = 6,
    seconds: float = 1.0,
    size: Size | None = None,
    feeds: Feeds | None = None,
    optimize: Optimize | Sequence[Optimize] = "all",
    profile: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SpeedReport:
    """Time the models, alone and in turn, at every batch with every number of threads.

        ratio = median over rounds of (time of the first model / time of the model)

    Args:
        paths: of the models, ONNX or OpenVINO's `NAME.xml`; the first is the yardstick.
        batch: samples a call.
        threads: of an operator; None for the physical cores this process may use.
        rounds: how often every model is started in a setting; 6 are the fewest that give a 95 % interval.
        seconds: how long a model runs in a round.
        size: (height, width) of images whose size the model leaves open; see `pyq8.bench.inputs`.
        feeds: real inputs, repeated or cut to the batch; what has no batch axis as it is. None for seeded noise.
        optimize: how far ONNX Runtime rewrites the graph, see `pyq8.session`; for all models, or one a model.
        profile: run every ONNX model once more with ONNX Runtime's profiler.
        progress: called with (processes done, processes in all).

    Raises:
        UsageError: a number that cannot be, or no models.
        ModelError: a model does not load or run; says which and why. Before anything is timed, where
            one call at the largest batch shows it.
    """
    names = [os.fspath(path) for path in paths]
    batches = _several(batch)
    counts = _several(cpu.physical_cores() if threads is None else threads)
    levels = [optimize] * len(names) if isinstance(optimize, str) else list(optimize)
    _check(names, batches, counts, rounds, seconds, levels)
    settings = [{"threads": count, "batch": n} for count in counts for n in batches]
    profiled = [i for i, name in enumerate(names) if profile and not is_openvino(name)]
    step = _Steps(len(names) + len(counts) + len(settings) * (rounds * len(names) + len(profiled)), progress)
    rows: list[SpeedRow] = []
    runtimes: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="pyq8-") as folder:
        shared: dict[str, Any] = {"size": size}
        if feeds is not None:
            shared["feeds"] = str(Path(folder) / "feeds.npz")
            np.savez(shared["feeds"], **feeds)  # type: ignore[arg-type]  # not allow_pickle
        watch = CpuWatch()
        examined = {"batches": batches, "threads": max(counts), "folder": folder, **shared}
        found = [step(run_alone("examine", name, **examined)) for name in names]
        macs, whole = [each["macs"] for each in found], [each["whole"] for each in found]
        probes = {count: step(run_alone("peak", "", threads=count, seconds=seconds)) for count in counts}
        peaks = {count: probe["gops"] for count, probe in probes.items()}
        runtimes.update(probe["runtime"] for probe in probes.values())
        for setting in settings:
            results: list[list[dict[str, Any]]] = [[] for _ in names]
            for turn in range(rounds):
                for i in range(len(names))[:: -1 if turn % 2 else 1]:
                    how = {"seconds": seconds, "optimize": levels[i], "whole": whole[i], **setting, **shared}
                    result = step(run_alone("time", names[i], **how))
                    results[i].append(result)
                    runtimes.update([result["runtime"]])
            for name, mine, work in zip(names, results, macs, strict=True):
                rows.append(_row(name, setting, mine, results[0], work, peaks[setting["threads"]]))
        noise = Noise(*watch.taken(), max(row.spread for row in rows) if rounds > 1 else None)
        profiles = [
            step(
                profile_model(
                    names[i], folder, seconds=seconds, optimize=levels[i], whole=whole[i], **setting, **shared
                )
            )
            for setting in settings
            for i in profiled
        ]
    return SpeedReport(
        rows=tuple(rows),
        rounds=rounds,
        confidence=median_interval([0.0] * rounds)[2],
        int8_peaks=peaks,
        cpu=cpu.describe(),
        isa=tuple(sorted(cpu.isa())),
        versions={"pyq8": __version__, "numpy": np.__version__, **runtimes},
        noise=noise,
        profiles=tuple(profiles),
    )


T = TypeVar("T")


class _Steps:
    """Counts processes that are done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, result: T) -> T:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return result


def _several(value: int | Sequence[int]) -> list[int]:
    """Each once, in order."""
    return [value] if isinstance(value, int) else list(dict.fromkeys(value))


def _check(
    names: list[str], batches: list[int], threads: list[int], rounds: int, seconds: float, levels: Sequence[str]
) -> None:
    if not names:
        raise UsageError("no models to time; give one or more paths")
    if len(levels) != len(names) or not LEVELS.keys() >= set(levels):
        raise UsageError(f"optimize {', '.join(levels)}: one of {', '.join(LEVELS)} for all models, or one a model")
    limit = CROWD * (os.cpu_count() or 1)
    if max(threads, default=0) > limit:
        raise UsageError(f"cannot time with {max(threads)} threads on {os.cpu_count()} CPUs; at most {limit}")
    for what, numbers in (("batch", batches), ("threads", threads), ("rounds", [rounds])):
        if min(numbers, default=0) < 1:
            raise UsageError(f"{what} {', '.join(map(str, numbers)) or 'of nothing'}: give whole numbers from 1")
    if not 0 <= seconds < math.inf:
        raise UsageError(f"seconds {seconds}: give a number from 0")
    for name in names:
        if Path(name).is_dir():
            raise ModelError(f"{name}: a folder; give the path of a model")
        if not Path(name).is_file():
            raise ModelError(f"{name}: no such file")
        if is_openvino(name) and find_spec("openvino") is None:
            raise ModelError(f"{name}: an OpenVINO model, and openvino is not installed; pip install openvino")


def _row(
    path: str,
    setting: dict[str, int],
    mine: list[dict[str, Any]],
    first: list[dict[str, Any]],
    macs: float | None,
    peak: float,
) -> SpeedRow:
    def middle(key: str) -> float:
        return float(median(result[key] for result in mine))

    ratios = [a["p50_ms"] / b["p50_ms"] for a, b in zip(first, mine, strict=True)]
    low, high, _ = median_interval(ratios)
    p50, rounds = middle("p50_ms"), [result["p50_ms"] for result in mine]
    gops = None if macs is None else 2e-9 * macs
    speed = 1e3 * setting["batch"] / p50
    return SpeedRow(
        path=path,
        **setting,
        p50_ms=p50,
        p90_ms=middle("p90_ms"),
        p99_ms=middle("p99_ms"),
        calls=min(result["calls"] for result in mine),
        images_per_s=speed,
        ratio=median(ratios),
        ratio_low=low,
        ratio_high=high,
        spread=(max(rounds) - min(rounds)) / p50,
        load_ms=middle("load_ms"),
        peak_rss_mib=max(result["peak_rss_mib"] for result in mine),
        gops=gops,
        int8_peak_share=None if gops is None else gops * speed / peak,
    )
