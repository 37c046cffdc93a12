"""The walks through the code, and the table of what to change where, name what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pyq8

from .blocks import ROOT

WALKS = (ROOT / "docs" / "explanation" / "one-scale-one-image.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)` `(\w+)`(?: and `(\w+)`)?", WALKS)


def test_both_walks_name_files() -> None:
    assert len(NAMED) > 40


@pytest.mark.parametrize(("file", "names"), [(file, [n for n in names if n]) for file, *names in NAMED])
def test_what_a_walk_names_is_there(file: str, names: list[str]) -> None:
    tree = ast.parse((Path(pyq8.__file__).parent / file).read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert set(names) <= defined


def test_every_file_that_a_walk_names_has_something_to_look_at() -> None:
    assert set(re.findall(r"`([\w/]+\.py)`", WALKS)) == {file for file, *_ in NAMED}


def test_contributing_names_files_that_are_there() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## To add or to change")[2]
    named = re.findall(r"`((?:\w+/)*\w+\.(?:py|cc|h|txt))`", table.partition("\n## ")[0])
    assert len(named) > 20
    for name in set(named) - {"tile_NAME.cc"}:
        assert any((folder / name).is_file() for folder in (ROOT, ROOT / "src" / "pyq8")), name
