"""The worked examples of docs/how-to/extend.md, carried out in a copy of the sources."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks

PAGE = ROOT / "docs" / "how-to" / "extend.md"


def edit(block: Block, root: Path) -> None:
    """Replace the removed lines of every hunk, which stand in the file once, by the added ones."""
    header, _, rest = block.text.partition("\n")
    path = root / header.removeprefix("--- ")
    text = path.read_text(encoding="utf-8")
    for hunk in rest.split("@@\n"):
        old = "\n".join(line[1:] for line in hunk.splitlines() if line.startswith("-"))
        new = "\n".join(line[1:] for line in hunk.splitlines() if line.startswith("+"))
        assert text.count(old) == 1, f"{block}: not once in {path.name}:\n{old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the examples are added to."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.dev.so"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "calib_datasets").symlink_to(ROOT / "calib_datasets")
    return tmp_path


def test_the_examples_work_as_they_are_written(checkout: Path) -> None:
    ran = 0
    for block in blocks(PAGE):
        first, _, _ = block.text.partition("\n")
        if block.language == "python":
            path = checkout / first.removeprefix("# ")
            assert not path.exists(), f"{block}: {path.name} is there already"
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "diff":
            edit(block, checkout)
        else:
            assert block.language == "sh", f"{block}: cannot run {block.language}"
            text = block.text.replace("pyq8 quantize", "pyq8 quantize --samples 12 --effort fast")
            done = subprocess.run(
                ["sh", "-e", "-c", text.replace("pyq8 ", "python -m pyq8 ").replace("python ", f"{sys.executable} ")],
                cwd=checkout,
                env={"PYTHONPATH": "src", "PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
            ran += 1
    assert ran
