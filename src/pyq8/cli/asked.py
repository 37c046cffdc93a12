"""What `pyq8 quantize` was asked to do with one model: checked, then done."""

from __future__ import annotations

import shlex
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyq8.cli.method_options import method_arguments
from pyq8.cli.options import check_data_options, find_preprocess, image_arguments, said
from pyq8.cli.output import check_writable
from pyq8.errors import ModelError, UsageError

if TYPE_CHECKING:
    from pyq8.groundwork import Progress
    from pyq8.result import Result

SAMPLES = 100
"""Images to calibrate on, where it is not said."""
DECIDED = ("samples", "observer", "target", "placement", "effort", "input_", "layout", "color")
"""What a plan says already."""
HOW = {"preset": "--preset", "preprocess_file": "--preprocess", "split": "--split"}
"""What says how images are read, in every command."""
OF_IMAGES = ("preset", "preprocess_file", "split", "seed", "skip_bad")


def check_asked(context: click.Context) -> str:
    """Refuse options that cannot be, before the work; the file that will be written.

    Args:
        context: of `pyq8 quantize`.

    Raises:
        UsageError: naming the option.
        ModelError: there is no such model.
        OutputError: a file could not be written.
    """
    from pyq8.model.pixel_input import pixel_input
    from pyq8.rewrite import REGIONS, check_format

    asked = context.params
    model, calib = asked["model"], asked["calib"]
    out: str = asked["output"] or f"{model.removesuffix('.onnx')}.int8.onnx"
    if Path(out).resolve() == Path(model).resolve():
        raise UsageError(f"-o {out}: would overwrite the FP32 model; give another name")
    if not Path(model).suffix and not Path(model).exists():  # it may have been meant as a folder
        raise ModelError(f"{Path(model)}: no such file or folder; give an FP32 ONNX model, or a folder of them")
    check_format(asked["format_"])
    if asked["fallback"] is not None and asked["format_"] != REGIONS:
        raise UsageError(f"--fallback {asked['fallback']}: only --format {REGIONS} needs one; leave it out")
    check_writable(out)
    check_writable(asked["fallback"], model, out)
    check_writable(asked["json_file"], model, out)
    check_writable(asked["save_plan"], model, out)
    check_writable(asked["report"], model, out)
    if calib is not None:  # of uint8, the normalization is for the model
        check_data_options(calib, asked, ("preset", "preprocess_file") if asked["input_"] == "uint8" else ())
    preprocess = find_preprocess(asked["preset"], asked["preprocess_file"])
    if asked["plan"] is not None:
        _check_replay(context, calib)
    elif calib is None:
        raise UsageError("--calib is missing: give images to calibrate on, or --plan FILE")
    else:
        pixel_input(asked["input_"], asked["layout"], asked["color"], preprocess)
    return out


def do_asked(context: click.Context, out: str, progress: Progress, executor: Executor | None) -> Result:
    """Quantize, or replay a plan, and write the files.

    Args:
        context: checked.
        out: where the model goes.
        progress: called as images are done.
        executor: see `pyq8.quantize`.

    Raises:
        Pyq8Error: those of `pyq8.quantize` and `pyq8.replay`.
    """
    from pyq8 import api
    from pyq8 import replay as replay_plan

    asked = context.params
    images = image_arguments(asked, "calib", samples=SAMPLES)
    if asked["plan"] is not None:
        del images["samples"]
        result = replay_plan(
            asked["model"],
            asked["plan"],
            asked["calib"],
            exclude=asked["exclude"],
            format=asked["format_"] if said(context, "format_") else None,
            progress=progress,
            **images,
        )
    else:
        result = api.quantize(
            asked["model"],
            asked["calib"],
            **method_arguments(asked),
            executor=executor,
            progress=progress,
            **images,
        )
    result.save(out, asked["fallback"])
    if asked["save_plan"] is not None:
        result.save_plan(asked["save_plan"])
    return result


def find_doubts(context: click.Context, result: Result) -> list[str]:
    """What the user should know of a result."""
    from pyq8.model.provenance import remembered_preprocess

    asked, doubts = context.params, []
    used = remembered_preprocess(result.model)
    guessed = not (asked["preset"] or asked["preprocess_file"]) and (asked["plan"] is None or used is None)
    if asked["calib"] is not None and guessed and Path(asked["calib"]).is_dir():
        which = f" ({used})" if used else ""
        doubts.append(f"preprocessing was guessed{which}; say --preset or --preprocess if it is wrong")
    kept = next((p.refused for p in result.passes if p.name == "fold_pixels" and not p.changed), {})
    doubts += [f"normalization stays FP32, in front of the first convolution: {reason}" for reason in kept.values()]
    return doubts + _find_losses(context, result)


def _find_losses(context: click.Context, result: Result) -> list[str]:
    """Those of the report, each with the command to run next."""
    asked, report = context.params, result.report
    how = [word for name, flag in HOW.items() if asked[name] for word in (flag, str(asked[name]))]
    look = ["pyq8", "inspect", asked["model"], "--data", str(asked["calib"]), *how]
    found = [*report.notes, *(f"{line}; see which layers lose it: {shlex.join(look)}" for line in report.low)]
    few = report.doubts[len(found) :]
    used, where = result.calibration.samples, ""
    more = ["pyq8", "quantize", asked["model"], "--calib", str(asked["calib"]), *how]
    if result.config.observer == "minmax":
        more += ["--observer", "percentile"]
    elif used < (asked["samples"] or SAMPLES):
        where = " than are there"
    else:
        more += ["--samples", str(2 * used)]
    return [*found, *(f"{line}{where}: {shlex.join(more)}" for line in few)]


def _check_replay(context: click.Context, calib: str | None) -> None:
    """Refuse what means nothing beside --plan.

    Raises:
        UsageError: naming the option.
    """
    for name in context.params:
        if said(context, name) and (name in DECIDED or (calib is None and name in OF_IMAGES)):
            flag = f"--{name.removesuffix('_file').rstrip('_').replace('_', '-')}"
            why = "the plan has decided that" if name in DECIDED else "there are no images without --calib"
            raise UsageError(f"{flag} and --plan: {why}; leave it out")
