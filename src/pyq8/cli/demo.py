"""`pyq8 demo`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from pyq8.cli import names
from pyq8.cli.level import say, tell_path
from pyq8.cli.output import progress_bars
from pyq8.cli.result import show
from pyq8.cli.style import verdict as coloured


@click.command("demo")
@click.option(
    "-o", "--output", type=names.PATH, metavar="FOLDER", help="Keep the models here. Default: a temporary folder."
)
def command(output: str | None) -> int:
    """Quantize the embedded network (handwritten digits), prove that it runs in INT8, check and time it."""
    from pyq8 import api, cpu
    from pyq8.bench.speed import time_models
    from pyq8.loaders import Preprocess
    from pyq8.loaders.datasets import dataset

    digits = dataset("digits")
    model, images = str(digits / "digits.onnx"), str(digits / "images")
    preprocess = Preprocess.from_toml(digits / "preprocess.toml")
    with tempfile.TemporaryDirectory(prefix="pyq8-demo-") as temporary:
        folder = Path(output or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        out = str(folder / "digits.int8.onnx")
        say("1. quantize")
        with progress_bars() as progress:
            result = api.quantize(model, images, preprocess=preprocess, progress=progress)
        result.save(out)
        show(result, model, images, out)
        say("2. prove: what ONNX Runtime executes on this machine")
        slow = [r for r in result.report.kernels.convolutions if not r.fast]
        say(f"   {result.report.kernels}")
        for row in slow:
            say(f"   {row.node}: {row.reason}")
        say("3. check: 300 other images")
        with progress_bars() as progress:
            verdict = api.check(model, out, images, max_drop=2.0, min_int8=1.0, progress=progress)
        for reason in verdict.reasons:
            say(f"   {reason}")
        say("4. time: each model alone in its own process, in turn")
        speed = time_models([model, out], batch=16, rounds=3, seconds=0.5)
        int8 = speed.rows[1]
        say(f"   INT8 is {int8.ratio:.2f}x as fast as FP32 at batch 16 ({cpu.describe()})")
        word = "passed" if verdict.passed else verdict.outcome.upper()
        say(coloured(verdict.outcome, word))
        if output:
            tell_path(out)
        else:
            say("keep the model: pyq8 demo -o FOLDER")
    return verdict.exit_code
