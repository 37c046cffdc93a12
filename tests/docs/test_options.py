"""Commands that are only mentioned, in running text and tables, name commands and options that there are."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from pyq8.cli import COMMANDS, root
from tests.docs.blocks import DOCUMENTS, ROOT

_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


def options(name: str) -> set[str]:
    command = root.get_command(click.Context(root), name)
    assert command is not None
    return {"--help", *(flag for p in command.params for flag in (*p.opts, *p.secondary_opts))}


def test_the_reference_of_json_names_every_command_that_writes_it() -> None:
    text = (ROOT / "docs/reference/json.md").read_text(encoding="utf-8")
    table, without = set(re.findall(r"^\| `pyq8 (\w+)", text, re.MULTILINE)), text.partition(" do not.")[0]
    for name in COMMANDS:
        writes = "--json" in options(name)
        assert (name in table, f"`{name}`" in without) == (writes, not writes), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_mentioned_commands_and_options_exist(document: Path) -> None:
    for span in _SPAN.findall(document.read_text(encoding="utf-8")):
        found = re.match(r"(?:pyq8 |)(\w+)\b", span)
        if re.match(r"pyq8 (?!-)", span) and document.name != "json.md":  # which has the kinds of documents
            assert found is not None and found[1] in {*COMMANDS, "COMMAND", "FP32"}, f"`{span}`: no such command"
        if found is None or found[1] not in COMMANDS:
            continue
        for flag in re.findall(r"(?<!\S)--[\w-]+", span):
            assert flag in options(found[1]), f"`{span}`: {found[1]} has no {flag}"
