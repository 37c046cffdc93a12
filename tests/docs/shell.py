"""Runs a block of shell commands: in this process where it is only pyq8, else by a shell that finds pyq8."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli.run import run
from tests.docs.blocks import ROOT, Block
from tests.docs.substitutions import shorten, substitute

_OPERATOR = re.compile(r"[|&;<>$`(){}]|\bdo\b|\bif\b")
_STUBS = {
    "pyq8": f'PYTHONPATH={ROOT / "src"}:. exec {sys.executable} -m pyq8 "$@"',
    "python": f'PYTHONPATH={ROOT / "src"} exec {sys.executable} "$@"',
    "pip": "exit 0",
    "git": "echo model.int8.onnx",  # what is about to be committed
}
KNOWN = {*_STUBS, "#!/bin/sh", "mkdir", "cd", "cp", "cat"}
"""Commands that a block may begin a line with."""


def commands(text: str) -> list[str]:
    """Its lines, joined where they end in a backslash, without comments and empty ones."""
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    kept = [line if line.startswith("#!") else re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    return [line for line in kept if line]


def yaml_commands(text: str) -> str:
    """The pyq8 commands among the steps of a CI job."""
    return "\n".join(re.findall(r"^\s*(?:- )?(?:run: )?(pyq8 .+)$", text, re.MULTILINE))


def run_shell(block: Block, folder: Path) -> None:
    """Run it in `folder`, the working directory, and compare the exit code with what the block says.

    Raises:
        AssertionError: it exits with another code; or an extra of pyq8 is installed that there is not.
    """
    text = yaml_commands(block.text) if block.language == "yaml" else block.text
    lines = commands(substitute(text))
    if any(_OPERATOR.search(line) or line.split()[0] not in ("pyq8", "pip") for line in lines):
        _run_script(block, lines, folder)
        return
    for i, line in enumerate(lines):
        program, *argv = shlex.split(line)
        if program == "pip":
            _check_extras(block, line)
            continue
        wanted = block.exit_code if i == len(lines) - 1 else 0
        code, out, err = run(*shorten(argv))
        assert code == wanted, f"{block}: `{line}` exits with {code}, not {wanted}\n{out}{err}"


def _run_script(block: Block, lines: list[str], folder: Path) -> None:
    stubs = folder / ".stubs"
    stubs.mkdir(exist_ok=True)
    for name, script in _STUBS.items():
        (stubs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (stubs / name).chmod(0o755)
    short = [_shorten_line(line) for line in lines]
    done = subprocess.run(
        ["sh", *([] if lines[0].startswith("#!") else ["-e"]), "-c", "\n".join(short)],
        cwd=folder,
        env={**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == block.exit_code, f"{block}: exits with {done.returncode}\n{done.stdout}{done.stderr}"


def _shorten_line(line: str) -> str:
    """`shorten` of a line that is one pyq8 command and what the shell does with it."""
    found = re.match(r"pyq8 ([^|&;<>]+)(.*)", line)
    return f"pyq8 {shlex.join(shorten(shlex.split(found[1])))} {found[2]}" if found and "$" not in line else line


def _check_extras(block: Block, line: str) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    known = re.findall(r"^(\w+) = \[", text.partition("[project.optional-dependencies]")[2], re.MULTILINE)
    for extras in re.findall(r"(?:\.|pyq8)\[([\w,]+)\]", line):
        assert set(extras.split(",")) <= set(known), f"{block}: {line}: no such extra"
