"""`pyq8 inspect`."""

from __future__ import annotations

from typing import Any

import click

from pyq8.cli.options import json_option
from pyq8.cli.output import check_writable, write_json


@click.command("inspect")
@click.argument("model", metavar="MODEL")
@json_option
def command(model: str, json_file: str | None) -> None:
    """Show which kernel runs every node of MODEL on this machine, and why the others do not run in INT8."""
    from pyq8 import api, cpu

    check_writable(json_file, model)
    report = api.inspect(model)
    data: dict[str, Any] = {"kind": "pyq8 inspect", "schema": 1, "cpu": cpu.describe(), **report.to_json()}
    if json_file != "-":
        width = max((len(r.node) for r in report.rows), default=4)
        for row in report.rows:
            kind = "INT8" if row.int8 else "FP32"
            fast = {True: "fast path", False: "slow path", None: ""}[row.fast]
            text = f"{row.node:{width}}  {kind}  {row.kernel or '(fused or folded)'}  {fast}"
            click.echo((text + (f" ({row.reason})" if row.reason else "")).rstrip())
        click.echo(str(report))
        click.echo(cpu.describe())
    write_json(data, json_file)
