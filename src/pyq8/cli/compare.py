"""`pyq8 compare`."""

from __future__ import annotations

import click

from pyq8.cli import names
from pyq8.cli.level import say
from pyq8.cli.options import json_option
from pyq8.cli.output import check_writable, write_json

SHOWN = 40
"""Lines; JSON has all, and so has --all."""


@click.command("compare")
@click.argument("first", metavar="A.json", type=names.PATH)
@click.argument("second", metavar="B.json", type=names.PATH)
@click.option("--all", "everything", is_flag=True, help="Every figure that differs, not the largest differences only.")
@json_option
def command(first: str, second: str, everything: bool, json_file: str | None) -> None:
    """Show two JSON files of the same command side by side: what differs, and by how much.

    \b
    pyq8 compare monday.json tuesday.json
    """
    from pyq8.report.figures import compare

    check_writable(json_file, first, second)
    found = compare(first, second)
    if json_file != "-":
        say(f"{found.kind}: {first} beside {second}")
        shown = found.rows if everything else found.largest(SHOWN)
        width = max((len(row.path) for row in shown), default=0)
        for row in shown:
            before, after, change = row.cells()
            say(f"  {row.path:{width}}  {before:>12}  {after:>12}  {change}".rstrip())
        if len(shown) < len(found.rows):
            say(f"  {len(found.rows) - len(shown)} smaller differences; --all shows them")
        say(f"{len(found.rows)} of {found.figures} figures and texts differ")
    write_json({"kind": "pyq8 compare", "schema": 1, **found.to_json()}, json_file)
