"""What every quantized model starts from: load -> prepare -> equalize -> calibrate -> plan -> correct."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import onnx_ir as ir

from pyq8.calibration.calibrate import calibrate
from pyq8.calibration.spool import Spool
from pyq8.correction.correct import correct, find_layers
from pyq8.correction.effort import EFFORTS
from pyq8.correction.equalization import equalize, find_factors
from pyq8.doctor import require_right_kernels
from pyq8.errors import ModelError, UsageError
from pyq8.loaders import Batch, Images, Loader
from pyq8.model.batch_axis import remember
from pyq8.model.file import load
from pyq8.model.intake import input_specs, intake, single
from pyq8.model.pixel_input import PixelInput, take_pixels
from pyq8.model.provenance import provenance
from pyq8.ops.by_cost import PLACEMENTS
from pyq8.ops.placement import place, why_none
from pyq8.passes import PassResult, prepare
from pyq8.plan.make import make_plan
from pyq8.rewrite import check_format, rewrite
from pyq8.stats import Calibration
from pyq8.types import Config, Feeds, Plan
from pyq8.verify.exact import check_exact

Progress = Callable[[str, int, "int | None"], None]
"""Called with (what is done, how many more are done, how many there are)."""

VERIFIED = 16
"""Calibration images that are kept to compare models on at once."""


@dataclass(frozen=True)
class Groundwork:
    """All that is known before a model is written.

    Args:
        path: of the FP32 model.
        prepared: behind the exact passes, equalized.
        passes: what each of them did.
        loader: of the calibration images.
        kept: some of these images, the same ones in whatever order they came.
        calibration: their statistics.
        plan: what becomes INT8.
        config: what was asked for.
        pixels: how the model takes pixels, if it does.
    """

    path: str | Path
    prepared: ir.Model
    passes: tuple[PassResult, ...]
    loader: Loader
    kept: list[Batch]
    calibration: Calibration
    plan: Plan
    config: Config
    pixels: PixelInput | None

    @cached_property
    def original(self) -> ir.Model:
        """The FP32 model, taking what the quantized one takes; read again, so that calibration need not hold it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # told when it was read first
            model = load(self.path)
        return model if self.pixels is None else take_pixels(model, self.pixels)

    def carry_out(self, plan: Plan) -> ir.Model:
        """The quantized model of the plan found, or of one made of it; it remembers how it was made."""
        quantized = rewrite(self.prepared, plan, self.config.format)
        made = provenance(self.config, self.calibration, plan, self.loader, self.pixels)
        quantized.metadata_props.update(made | remember(self.prepared))
        return quantized


class Clock:
    """Seconds of every stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """What was done since the last lap."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now


def lay_groundwork(
    model: str | Path,
    images: Images,
    config: Config,
    *,
    pixels: PixelInput | None,
    progress: Progress | None,
    clock: Clock,
    executor: Executor | None = None,
) -> Groundwork:
    """Calibrate and plan; arguments and errors as those of `pyq8.quantize`.

    Args:
        model: path of the FP32 model.
        images: to calibrate on.
        config: what is asked for.
        pixels: what the model is to take instead of floats.
        progress: called as images are done.
        clock: keeps the seconds of every stage.
        executor: where images are run that do not wait for one another; see `pyq8.workers`.
    """
    check_format(config.format)
    PLACEMENTS.get(config.placement)
    effort = EFFORTS.get(config.effort)
    original = load(model)
    if pixels is not None:
        original, images = take_pixels(original, pixels), replace(images, preprocess=pixels.raw)
    clock.lap("load")
    prepared, passes = (p := prepare(original, config.format)).model, p.passes
    clock.lap("prepare")
    loader = images.open(input_specs(original))
    if not place(prepared, config.exclude).int8:  # found before the work, as is a pattern that matches nothing
        if place(prepared).int8:
            raise UsageError(f"{model}: no node is left that can be INT8; exclude less")
        raise ModelError(f"{model}: nothing in it can be INT8: {why_none(prepared)}; run it in FP32, as it is")
    require_right_kernels()
    with tempfile.TemporaryFile(prefix="pyq8-") as file:
        taken = intake(prepared)
        spool = Spool(file, loader, taken.size, step(progress, "read", loader.total))
        kept = list(spool.batches(VERIFIED))
        clock.lap("read")

        def feeds_of(count: int | None = effort.images) -> Iterable[Feeds]:
            return (feeds for feeds, _ in single(spool.feeds(count), taken))

        factors = find_factors(prepared, feeds_of(None), len(spool), executor) if effort.equalize else {}
        prepared = equalize(prepared, factors)
        clock.lap("equalize")
        check_exact(original, prepared, kept[0])
        del original, p  # its weights, as far as they are not those of `prepared`
        clock.lap("check")
        calibration = calibrate(prepared, spool.feeds(), config, step(progress, "calibrate", len(spool)), executor)
        clock.lap("calibrate")
        plan = replace(make_plan(prepared, calibration, config), channel_factors=factors)
        clock.lap("plan")
        if effort.images:
            report_layers = step(progress, "correct layers", len(find_layers(prepared, plan)))
            plan = correct(
                prepared,
                plan,
                feeds_of,
                effort,
                rewrite,
                shift_bias=config.bias_correction,
                progress=report_layers,
            )
        clock.lap("correct")
    return Groundwork(model, prepared, passes, loader, kept, calibration, plan, config, pixels)


def step(progress: Progress | None, name: str, total: int | None) -> Callable[[int], None] | None:
    """Progress of one thing that is done."""
    if progress is None:
        return None
    progress(name, 0, total)
    return lambda count: progress(name, count, total)
