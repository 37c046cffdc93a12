"""The fenced blocks of the documents, and what an HTML comment right before one says about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,})(?P<language>\S*)[^`]*")
_NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
_EXIT = re.compile(r"<!-- exit (\d+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        document: where it stands.
        line: of its first line inside the fence, from 1.
        language: behind the opening fence.
        text: between the fences.
        not_run: why it is not run; empty where it is.
        exit_code: what its last command exits with.
    """

    document: Path
    line: int
    language: str
    text: str
    not_run: str = ""
    exit_code: int = 0

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(document: Path) -> list[Block]:
    """All fenced blocks of a Markdown file, in order."""
    lines = document.read_text(encoding="utf-8").splitlines()
    found, i = [], 0
    while i < len(lines):
        opening = _FENCE.fullmatch(lines[i])
        if opening is None:
            i += 1
            continue
        before = " ".join(lines[max(0, i - 2) : i])
        not_run, exit_code = _NOT_RUN.search(before), _EXIT.search(before)
        end = next(j for j in range(i + 1, len(lines)) if lines[j].strip() == opening["ticks"])
        indent = len(opening["indent"])
        found.append(
            Block(
                document,
                i + 2,
                opening["language"],
                "\n".join(line[indent:] for line in lines[i + 1 : end]) + "\n",
                not_run[1] if not_run else "",
                int(exit_code[1]) if exit_code else 0,
            )
        )
        i = end + 1
    return found
