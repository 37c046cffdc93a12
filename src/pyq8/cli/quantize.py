"""`pyq8 quantize`."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from pyq8.cli import names
from pyq8.cli.level import tell_path, warn
from pyq8.cli.options import check_data_options, data_options, find_preprocess, json_option
from pyq8.cli.output import check_writable, progress_bars, write_json
from pyq8.cli.report import check_report, write_report
from pyq8.cli.result import show, show_details
from pyq8.errors import UsageError

DECIDED = ("samples", "observer", "target", "placement", "effort", "input_", "layout", "color")
"""What a plan says already."""
OF_IMAGES = ("preset", "preprocess_file", "split", "seed", "skip_bad")


@click.command("quantize")
@click.argument("model", type=names.MODEL, metavar="MODEL")
@click.option("--calib", type=names.PATH, help="Images (folder) or arrays (.npz, .npy).")
@click.option("-o", "--output", type=names.PATH, metavar="OUT", help="Default: MODEL with .int8.onnx.")
@data_options
@click.option(
    "--observer",
    type=names.OBSERVER,
    default="percentile",
    show_default=True,
    help="How ranges are chosen: percentile, mse, kl, minmax.",
)
@click.option("--format", "format_", type=names.FORMAT, default="qdq", show_default=True, help="qdq or qoperator.")
@click.option(
    "--target",
    type=names.TARGET,
    default="auto",
    show_default=True,
    help="vnni, avx2 (7-bit weights), or auto: this CPU.",
)
@click.option(
    "--input",
    "input_",
    type=names.INPUT,
    default="float",
    show_default=True,
    help="What the INT8 model takes: float, as before, or uint8: pixels 0..255, the normalization inside.",
)
@click.option(
    "--layout", type=names.LAYOUT, default="nhwc", show_default=True, help="With --input uint8: nhwc or nchw."
)
@click.option("--color", type=names.COLOR, default="rgb", show_default=True, help="With --input uint8: rgb or bgr.")
@click.option(
    "--placement",
    type=names.PLACEMENT,
    default="cost",
    show_default=True,
    help="cost: FP32 where that is estimated faster; all: INT8 wherever there is a kernel.",
)
@click.option(
    "--effort",
    type=names.EFFORT,
    default="default",
    show_default=True,
    help="Work put into accuracy: fast, default or best.",
)
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Node that stays FP32; name or pattern, repeatable.")
@click.option("--save-plan", type=names.PATH, metavar="FILE", help="Write the plan as JSON, to edit and to replay.")
@click.option(
    "--plan",
    type=names.PATH,
    metavar="FILE",
    help="Replay a plan instead of calibrating; --calib, if given, only compares with FP32.",
)
@click.option(
    "--report",
    type=names.PATH,
    metavar="FILE.html",
    help="Write what was found, on the calibration images, as an HTML page.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    model: str,
    calib: str | None,
    output: str | None,
    preset: str | None,
    preprocess_file: str | None,
    samples: int | None,
    split: str | None,
    seed: int | None,
    skip_bad: bool,
    observer: str,
    format_: str,
    target: str,
    input_: str,
    layout: str,
    color: str,
    placement: str,
    effort: str,
    exclude: tuple[str, ...],
    save_plan: str | None,
    plan: str | None,
    report: str | None,
    json_file: str | None,
) -> None:  # fmt: skip
    """Quantize an FP32 ONNX CNN to INT8, from a folder of images, without retraining.

    \b
    pyq8 quantize resnet50.onnx --calib photos/ --preset imagenet
    """
    from pyq8 import api
    from pyq8 import replay as replay_plan
    from pyq8.pixel_input import pixel_input
    from pyq8.provenance import remembered_preprocess

    out = output or f"{model.removesuffix('.onnx')}.int8.onnx"
    if Path(out).resolve() == Path(model).resolve():
        raise UsageError(f"-o {out}: would overwrite the FP32 model; give another name")
    check_writable(out)
    check_writable(json_file, model, out)
    check_writable(save_plan, model, out)
    check_writable(report, model, out)
    if report is not None:
        check_report(calib)
    how = (None, None) if input_ == "uint8" else (preset, preprocess_file)  # there the normalization is for the model
    if calib is not None:
        check_data_options(calib, *how, split, skip_bad)
    preprocess = find_preprocess(preset, preprocess_file)
    if plan is not None:
        given = _check_replay(context, calib)
        with progress_bars() as progress:
            result = replay_plan(
                model,
                plan,
                calib,
                exclude=exclude,
                format=format_ if "format_" in given else None,
                preprocess=preprocess,
                split=split or "calib",
                seed=seed,
                skip_bad=skip_bad,
                progress=progress,
            )
    elif calib is None:
        raise UsageError("--calib is missing: give images to calibrate on, or --plan FILE")
    else:
        pixel_input(input_, layout, color, preprocess)
        with progress_bars() as progress:
            result = api.quantize(
                model,
                calib,
                preprocess=preprocess,
                samples=samples or 100,
                split=split or "calib",
                seed=seed,
                skip_bad=skip_bad,
                observer=observer,
                format=format_,
                target=target,
                placement=placement,
                effort=effort,
                exclude=exclude,
                input=input_,
                layout=layout,
                color=color,
                progress=progress,
            )
    result.save(out)
    if save_plan is not None:
        result.save_plan(save_plan)
    used = remembered_preprocess(result.model)
    if calib is not None and preprocess is None and Path(calib).is_dir() and (plan is None or used is None):
        said = f" ({used})" if used else ""
        warn(f"preprocessing was guessed{said}; say --preset or --preprocess if it is wrong")
    kept = next((p.refused for p in result.passes if p.name == "fold_pixels" and not p.changed), {})
    for reason in kept.values():
        warn(f"normalization stays FP32, in front of the first convolution: {reason}")
    if json_file != "-":
        show(result, model, calib, out, plan)
        tell_path(out)
    show_details(result)
    if report is not None:
        made = result if plan is None else None  # with a plan, the images are for comparing only
        write_report(
            context,
            made,
            (model, out, calib or ""),
            report,
            preprocess=preprocess,
            samples=samples,
            split=split,
            seed=seed,
            skip_bad=skip_bad,
        )
    write_json(result.to_json(), json_file)


def _check_replay(context: click.Context, calib: str | None) -> list[str]:
    """Names of the options that were given.

    Raises:
        UsageError: one that means nothing beside --plan.
    """
    given = [p for p in context.params if context.get_parameter_source(p) is ParameterSource.COMMANDLINE]
    for name in given:
        if name in DECIDED or (calib is None and name in OF_IMAGES):
            flag = f"--{name.removesuffix('_file').rstrip('_').replace('_', '-')}"
            why = "the plan has decided that" if name in DECIDED else "there are no images without --calib"
            raise UsageError(f"{flag} and --plan: {why}; leave it out")
    return given
