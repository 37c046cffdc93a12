"""The options that say how a model is quantized: of quantize and of tune."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from pyq8.cli import names
from pyq8.cli.options import F

_METHOD = (
    click.option("--observer", type=names.OBSERVER, default="percentile", show_default=True,
                 help="How ranges are chosen: percentile, mse, kl, minmax."),
    click.option("--format", "format_", type=names.FORMAT, default="qdq", show_default=True,
                 help="qdq, qoperator, or pyq8: in pyq8's own INT8 kernels."),
    click.option("--target", type=names.TARGET, default="auto", show_default=True,
                 help="vnni, avx2 (weights that saturate on no CPU), or auto: this CPU."),
    click.option("--input", "input_", type=names.INPUT, default="float", show_default=True,
                 help="What the INT8 model takes: float, as before, or uint8: pixels 0..255, normalized inside."),
    click.option("--layout", type=names.LAYOUT, default="nhwc", show_default=True,
                 help="With --input uint8: nhwc or nchw."),
    click.option("--color", type=names.COLOR, default="rgb", show_default=True, help="With --input uint8: rgb or bgr."),
    click.option("--placement", type=names.PLACEMENT, default="cost", show_default=True,
                 help="cost: FP32 where that is estimated faster; all: INT8 wherever there is a kernel."),
    click.option("--effort", type=names.EFFORT, default="default", show_default=True,
                 help="Work put into accuracy: fast, default or best."),
    click.option("--exclude", multiple=True, metavar="PATTERN",
                 help="Node that stays FP32; name or pattern, repeatable."),
)  # fmt: skip
_NAMES = ("observer", "format_", "target", "input_", "layout", "color", "placement", "effort", "exclude")


def method_options(command: F) -> F:
    """All of them, in this order."""
    for option in reversed(_METHOD):
        command = option(command)
    return command


def method_arguments(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What they were given, as `pyq8.quantize` and `pyq8.tune` take it."""
    return {name.rstrip("_"): asked[name] for name in _NAMES}
