"""How fast both models are, on a real image where they take the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.bench.speed import SpeedReport, time_models
from pyq8.groundwork import Progress
from pyq8.loaders import Loader
from pyq8.loaders.some import first_feeds
from pyq8.model.file import load
from pyq8.model.intake import input_specs, intake, single
from pyq8.report.document import Missing
from pyq8.verify.accuracy import image_size

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Timing:
    """How the models are timed: see `pyq8.bench.speed.time_models`; 0 rounds: not at all."""

    rounds: int = 6
    seconds: float = 0.5


def time_both(
    fp32: str | Path,
    int8: str | Path,
    original: ir.Model,
    quantized: ir.Model,
    loader: Loader,
    timing: Timing,
    progress: Progress | None,
) -> SpeedReport | Missing:
    """Speed and profile.

    Args:
        fp32: path of the FP32 model.
        int8: path of the INT8 model.
        original: the FP32 model, taking what the INT8 one takes.
        quantized: the INT8 model.
        loader: of the images.
        timing: how.
        progress: called as processes are done.
    """
    if timing.rounds == 0:
        return Missing("the models were not timed")
    taken = intake(original)
    feeds, _ = next(single(first_feeds(loader, taken.size), taken))
    inputs = {v.name for v in original.graph.inputs}
    feeds = {k: v for k, v in feeds.items() if k in inputs}
    same = input_specs(load(fp32)) == input_specs(quantized)
    return time_models(
        [str(fp32), str(int8)],
        batch=taken.size,
        rounds=timing.rounds,
        seconds=timing.seconds,
        feeds=feeds if same else None,
        size=None if same else image_size(feeds),
        profile=True,
        progress=_steps(progress),
    )


def _steps(progress: Progress | None) -> Callable[[int, int], None] | None:
    if progress is None:
        return None
    return lambda _, total: progress("time", 1, total)
