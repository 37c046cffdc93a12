"""Completion, as the shells ask for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyq8
from tests.cli.run import run

MAIN = "import pyq8.cli as c; c.main()"
SOURCES = {**os.environ, "PYTHONPATH": str(Path(pyq8.__file__).parents[1])}
"""Other folders are the current one here."""


def ask(*words: str, folder: Path, shell: str = "bash") -> list[str]:
    """What click's script is answered when the last word is to be completed."""
    last = words[-1] if shell == "fish" else str(len(words) - 1)
    environ = {**SOURCES, "_PYQ8_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": last}
    done = subprocess.run([sys.executable, "-c", MAIN], env=environ, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n") if shell == "zsh" else done.stdout.split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("net.onnx", "net.int8.onnx", "notes.txt", "other.txt", "both.onnx"):
        (tmp_path / name).touch()
    (tmp_path / "both").mkdir()
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "deep.onnx").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("in",), ["plain,inspect"]),
        (("quantize", "n"), ["plain,net.int8.onnx", "plain,net.onnx"]),
        (("quantize", "models/"), ["plain,models/deep.onnx"]),
        (("quantize", "./n"), ["plain,./net.int8.onnx", "plain,./net.onnx"]),
        (("quantize", "n**"), ["file,n**"]),
        (("quantize", "b"), ["file,b"]),  # a folder to go through: the shell shows both
        (("quantize", "other"), ["file,other"]),
        (("quantize", "net.onnx", "--calib", "n"), ["file,n"]),
        (("quantize", "net.onnx", "--preset", "i"), ["plain,imagenet", "plain,inception"]),
        (("quantize", "net.onnx", "--observer", "m"), ["plain,mse", "plain,minmax"]),
        (("check", "net.onnx", "net.int8.onnx", "--metric", "top"), ["plain,top1", "plain,top5"]),
        (("check", "net.onnx", "net.int8.onnx", "--max"), ["plain,--max-drop"]),
        (("completion", "f"), ["plain,fish"]),
    ],
)  # fmt: skip
def test_what_can_follow(folder: Path, words: tuple[str, ...], found: list[str]) -> None:
    assert ask("pyq8", *words, folder=folder) == found


def test_every_shell_is_answered(folder: Path) -> None:
    assert ask("pyq8", "quantize", "--eff", folder=folder, shell="fish")[0].startswith("plain,--effort")
    assert ask("pyq8", "quantize", "--eff", folder=folder, shell="zsh")[:2] == ["plain", "--effort"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_calls_back(shell: str) -> None:
    code, text, error = run("completion", shell)
    assert (code, error) == (0, "") and f"_PYQ8_COMPLETE={shell}_complete" in text
    program = shutil.which(shell)
    if program:  # the others are not on every machine
        assert subprocess.run([program, "-n"], input=text, text=True).returncode == 0


def test_bash_completes_with_the_script(folder: Path) -> None:
    script = run("completion", "bash")[1]
    pyq8 = folder / "bin" / "pyq8"
    pyq8.parent.mkdir()
    pyq8.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{MAIN}'\n")
    pyq8.chmod(0o755)
    ask_bash = f'{script}\nCOMP_WORDS=(pyq8 quantize net.onnx --effort b); COMP_CWORD=4\n_pyq8_completion "{pyq8}"\n'
    done = subprocess.run(
        ["bash", "-c", ask_bash + 'echo "${COMPREPLY[@]}"'], env=SOURCES, cwd=folder, capture_output=True, text=True
    )
    assert done.stdout == "best\n"


def test_nothing_heavy_is_imported_to_complete(folder: Path) -> None:
    check = (
        "import sys\nfrom pyq8.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "assert not {'onnx', 'onnxruntime', 'onnx_ir', 'PIL', 'numpy', 'torch', 'tqdm'} & set(sys.modules)"
    )
    environ = {**SOURCES, "_PYQ8_COMPLETE": "bash_complete", "COMP_WORDS": "pyq8 tune n", "COMP_CWORD": "2"}
    done = subprocess.run([sys.executable, "-c", check], env=environ, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "net.onnx" in done.stdout, done.stderr
