"""`pyq8 kernels`."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import click

from pyq8.cli.level import quiet, say
from pyq8.cli.options import json_option, said
from pyq8.cli.output import no_bars, write_json

if TYPE_CHECKING:
    from pyq8.kernels.bench import Row
    from pyq8.kernels.geometry import Conv


@click.command("kernels")
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True, metavar="N", help="Images.")
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True, metavar="N", help="Of each timing.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Default: the physical cores.")
@click.option("--bits", type=click.IntRange(2, 15), default=13, show_default=True, help="Magnitude bits of operands.")
@click.option("--fastest", is_flag=True, help="Show the fastest round instead of the median, on a noisy machine.")
@click.option("--int8", is_flag=True, help="Time the register tiles of INT8 inference instead, on one core.")
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    batch: int,
    rounds: int,
    threads: int | None,
    bits: int,
    fastest: bool,
    int8: bool,
    json_file: str | None,
) -> None:
    """Time the INT16 convolutions of ResNet-50, against PyTorch's FP32 where it is installed.

    Milliseconds, 10^9 operations a second and their share of the measured INT16 peak, and how many times as fast as
    PyTorch, for the forward convolution and the gradients of its input and its weight.
    """
    from tqdm import tqdm

    from pyq8 import cpu, kernels
    from pyq8.errors import UsageError
    from pyq8.kernels import bench, library, machine

    if not kernels.available():
        raise UsageError(f"pyq8.kernels: {kernels.reason()}")
    if int8:
        if other := next(
            (name for name in context.params if name not in ("int8", "json_file") and said(context, name)), None
        ):
            raise UsageError(f"--{other} is for the INT16 convolutions; with --int8 leave it out")
        _show_tiles(json_file)
        return
    threads = threads or cpu.physical_cores()
    kernels.set_threads(threads)
    peak = bench.peak()
    tell = say if json_file != "-" else _silent
    tell(f"{cpu.describe()}; {library.chosen()}, {threads} threads, INT16 peak {peak:.0f} G-op/s")
    tell(machine.describe())
    tell(f"{'':24}" + "".join(f"{name:^32}" for name in bench.DIRECTIONS))
    tell(f"{'convolution':24}" + f"{'ms':>8}{'G-op/s':>9}{'peak':>6}{'torch':>7}  " * 3)
    middle = min if fastest else statistics.median
    ratios: dict[str, list[float]] = {name: [] for name in bench.DIRECTIONS}
    rows = []
    convs = bench.resnet50(batch)
    for row in tqdm(bench.time_convs(convs, rounds, bits, threads), total=len(convs), disable=no_bars(), leave=False):
        line = f"{_name(row.conv):24}"
        for name in bench.DIRECTIONS:
            seconds = middle(row.ours[name])
            rate = 2e-9 * row.conv.macs / seconds
            line += f"{1e3 * seconds:8.2f}{rate:9.0f}{rate / peak:6.0%}"
            if row.torch[name]:
                ratios[name].append(middle(row.torch[name]) / seconds)
            line += f"{ratios[name][-1]:7.2f}  " if row.torch[name] else f"{'-':>7}  "
        rows.append(_row(row))
        if json_file != "-" and not quiet():
            tqdm.write(line)
    if ratios["forward"]:
        means = [math.exp(statistics.fmean(map(math.log, ratios[name]))) for name in bench.DIRECTIONS]
        tell(f"{'geometric mean':24}" + "".join(f"{mean:30.2f}  " for mean in means))
    write_json(
        {**_head(), "isa": library.chosen(), "threads": threads, "peak_gops": peak, "convolutions": rows}, json_file
    )


def _show_tiles(json_file: str | None) -> None:
    """Every INT8 tile, its share of the fastest and how many times the rate of FP32's fused multiply-adds it has."""
    from dataclasses import asdict

    from pyq8 import cpu
    from pyq8.kernels import machine
    from pyq8.kernels.bench_int8 import time_tiles

    tiles = list(time_tiles())
    write_json({**_head(), "tiles": [asdict(tile) for tile in tiles]}, json_file)
    if json_file == "-":
        return
    peak = max(tile.gops for tile in tiles)
    say(f"{cpu.describe()}; one core")
    say(machine.describe())
    say(f"{'set':10}{'weights':>12}{'tile':>10}{'G-op/s':>9}{'peak':>6}{'FP32':>7}")
    for tile in tiles:
        weights, fp32 = "safe pairs" if tile.safe else "any", f"{tile.fp32:7.2f}" if tile.fp32 else f"{'-':>7}"
        size = f"{tile.rows} x {tile.outputs}"
        say(f"{tile.isa:10}{weights:>12}{size:>10}{tile.gops:9.0f}{tile.gops / peak:6.0%}{fp32}")


def _head() -> dict[str, object]:
    from pyq8 import cpu
    from pyq8.kernels import machine

    return {"kind": "pyq8 kernels", "schema": 1, "cpu": cpu.cpu_name(), **machine.to_json()}


def _row(row: Row) -> dict[str, object]:
    return {"convolution": _name(row.conv), "macs": row.conv.macs, "seconds": row.ours, "torch_seconds": row.torch}


def _silent(text: str) -> None:
    """Standard output is for the JSON."""


def _name(conv: Conv) -> str:
    return f"{conv.r}x{conv.s} {conv.c}->{conv.k} {conv.h}px" + (f" /{conv.stride[0]}" if conv.stride[0] > 1 else "")
