"""Carry out a plan file again: the same INT8 model, or what was edited of it, without calibrating."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyq8 import cpu
from pyq8._version import __version__
from pyq8.errors import DataError, PlanError, UsageError
from pyq8.groundwork import VERIFIED, Clock, Progress, step
from pyq8.loaders import Batch, Images, Preprocess
from pyq8.model.file import load
from pyq8.model.intake import input_specs
from pyq8.model.pixel_input import remembered_pixels, take_pixels
from pyq8.model.provenance import VERSION, of_plan, remembered_preprocess
from pyq8.passes import prepare
from pyq8.plan.file import PlanFile, read_plan
from pyq8.plan.fit import fit_plan, scale_channels
from pyq8.plan.make import keep_float
from pyq8.result import Result
from pyq8.rewrite import FORMATS, check_format, rewrite, twin
from pyq8.stats import Calibration, Half
from pyq8.types import INT8, PAIRED, Config
from pyq8.verify.exact import check_exact
from pyq8.verify.report import make_report


def replay(
    model: str | Path,
    plan: str | Path,
    data: str | Path | Iterable[Any] | None = None,
    *,
    exclude: Sequence[str] = (),
    format: str | None = None,
    preprocess: Preprocess | str | None = None,
    split: str = "calib",
    seed: int | None = None,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Quantize an FP32 model as a plan file says. Unedited, it gives the bytes that it was saved from.

    Args:
        model: path of the FP32 ONNX file that the plan was made for.
        plan: path of the file that `Result.save_plan` wrote.
        data: images to compare the result with FP32 on, the first 16; None for no comparison.
        exclude: names or patterns of more nodes that stay FP32.
        format: "qdq", "qoperator" or "pyq8"; None for that of the plan.
        preprocess: of `data`; None for what the plan remembers, else guessed.
        split: as for `pyq8.quantize`.
        seed: likewise.
        skip_bad: likewise.
        progress: called as images are done.

    Raises:
        PlanError: the file cannot be read, or an entry does not fit the model.
        InputError: the model or the data cannot be used.
        UsageError: an option that cannot be, or no node is left in INT8.
    """
    clock = Clock()
    check_format(format or Config.format)
    file = read_plan(plan)
    original = load(model)
    original.metadata_props.update(file.metadata)
    try:
        config = _config(file.metadata, exclude, format or file.format)
        made_with = _calibration(file)
        pixels, remembered = remembered_pixels(original), remembered_preprocess(original)
    except (ValueError, TypeError, KeyError, AttributeError, DataError):
        raise PlanError(f"{plan}: metadata or format were changed; write the plan again with --save-plan") from None
    if pixels is not None:
        original = take_pixels(original, pixels)
        preprocess = pixels.strip(preprocess) if preprocess is not None else None
    clock.lap("load")
    passes = (p := prepare(original, file.format)).passes
    prepared = scale_channels(file, p.model, plan)
    clock.lap("prepare")
    found = keep_float(prepared, fit_plan(file, prepared, plan), config.exclude)
    if not found.int8_nodes:
        raise UsageError(f"{model}: no node is left in INT8; exclude less, or add nodes to int8_nodes in {plan}")
    clock.lap("plan")
    quantized = rewrite(prepared, found, config.format)
    quantized.metadata_props.update({VERSION: __version__, **of_plan(found)})
    clock.lap("rewrite")
    kept: list[Batch] = []
    skipped: tuple[str, ...] = ()
    if data is not None:
        images = Images(data, preprocess or remembered, VERIFIED, split, seed, skip_bad)
        loader = images.open(input_specs(original))
        kept, skipped = list(loader), tuple(loader.skipped)
        check_exact(original, prepared, kept[0])
    watched = step(progress, "compare", len(kept))
    report = make_report(prepared, quantized, found, kept, watched, twin(prepared, found, config.format))
    clock.lap("verify")
    return Result(
        quantized, prepared, passes, made_with, found, report, config, clock.seconds, cpu.peak_rss_mib(), skipped
    )


def _config(metadata: Mapping[str, str], exclude: Sequence[str], format: str) -> Config:
    if format not in FORMATS:
        raise ValueError
    return Config(
        metadata["pyq8.observer"],
        PAIRED if metadata["pyq8.target"] == "avx2" else INT8,
        (exclude,) if isinstance(exclude, str) else tuple(exclude),
        format,
        metadata["pyq8.bias_correction"] == "true",
        metadata["pyq8.placement"],
        metadata["pyq8.effort"],
    )


def _calibration(file: PlanFile) -> Calibration:
    """What is known of it: no statistics."""
    halves = (Half({}, int(file.metadata["pyq8.samples"])), Half({}, 0))
    return Calibration(halves, file.model_sha256, file.metadata["pyq8.data_sha256"])
