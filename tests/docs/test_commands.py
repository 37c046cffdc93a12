"""Every command and every Python block of the documents runs, in their order, on the digits."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pyq8
from pyq8.types import Array
from tests.docs.blocks import DOCUMENTS, ROOT, Block, blocks
from tests.docs.scratch import copy_images, fill
from tests.docs.shell import KNOWN, commands, run_shell
from tests.docs.substitutions import substitute
from tests.tuning import fixed_times

SHELL = ("sh", "bash", "console", "yaml")
DATA = ("", "text", "toml", "json", "{toctree}", "{eval-rst}")
"""Nothing to run."""
OWN_TEST = {"docs/how-to/extend.md": "tests/docs/test_extend.py"}
"""Document -> the test that runs it."""
RUN = [d for d in DOCUMENTS if str(d.relative_to(ROOT)) not in OWN_TEST]


def to_run(document: Path) -> list[Block]:
    return [b for b in blocks(document) if b.language in (*SHELL, "python") and not b.not_run]


@pytest.fixture(scope="session")
def int8(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The digits' network in INT8, made with little effort."""
    how = pyq8.Preprocess.from_toml(digits / "preprocess.toml")
    result = pyq8.quantize(digits / "digits.onnx", digits / "images", preprocess=how, samples=12, effort="fast")
    result.save(path := tmp_path_factory.mktemp("int8") / "digits.int8.onnx")
    return path


@pytest.fixture(scope="session")
def few_images(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    copy_images(digits, folder := tmp_path_factory.mktemp("images"))
    return folder


@pytest.fixture
def unchanged_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A document's own modules are gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith(("pyq8", "tests")) and str(getattr(sys.modules[name], "__file__", "")).count("pytest-"):
            del sys.modules[name]


def given_names(images: Path) -> dict[str, Any]:
    """What the Python blocks take as given: `loader` and `data`, batches to calibrate and to judge on."""

    def batch(split: str) -> Array:
        pixels = [np.asarray(Image.open(file), np.float32) for file in sorted(images.glob(f"{split}_*.png"))]
        return np.stack(pixels)[:, None] / 127.5 - 1

    return {"__name__": "__main__", "loader": [batch("calib")], "data": [batch("val")]}


@pytest.mark.usefixtures("unchanged_imports", "hasty")
@pytest.mark.parametrize("document", [d for d in RUN if to_run(d)], ids=lambda d: str(d.relative_to(ROOT)))
def test_the_commands_run(
    document: Path, tmp_path: Path, digits: Path, few_images: Path, int8: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = to_run(document)
    fill(tmp_path, "\n".join(b.text for b in found), digits, few_images, int8)
    monkeypatch.chdir(tmp_path)
    fixed_times.fix(monkeypatch.setattr)
    monkeypatch.setattr(pyq8, "quantize", functools.partial(pyq8.quantize, samples=12, effort="fast"))
    names = given_names(few_images)
    for block in found:
        if block.language == "python":
            first, _, _ = block.text.partition("\n")
            if first.startswith("# ") and first.endswith(".py"):  # a file to write
                (tmp_path / first[2:]).write_text(block.text, encoding="utf-8")
                continue
            exec(compile("\n" * (block.line - 1) + substitute(block.text), str(block), "exec"), names)
        else:
            run_shell(block, tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_every_block_is_run_or_says_why_not(document: Path) -> None:
    for block in blocks(document):
        if block.not_run:
            print(f"{block}: {block.language} not run: {block.not_run}")  # noqa: T201  # pytest -rP shows the list
        elif block.language in ("sh", "bash", "console"):
            unknown = {line.split()[0] for line in commands(block.text)} - KNOWN
            script = block.text.startswith("#!") or document.name == "extend.md"
            assert script or not unknown, f"{block}: cannot run {', '.join(unknown)}; add <!-- not run: why -->"
        else:
            known = block.language in (*SHELL, *DATA, "python", "diff")
            assert known, f"{block}: cannot run {block.language}; add <!-- not run: why --> before it"
