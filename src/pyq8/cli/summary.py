"""The gate's verdict as Markdown, for the summary page of a GitHub Actions job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.errors import OutputError

if TYPE_CHECKING:
    from pyq8.gate.gate import Verdict

VARIABLE = "GITHUB_STEP_SUMMARY"
"""GitHub Actions sets it to the file that it shows; pyq8 appends to it where it is set."""


def write_summary(verdict: Verdict) -> None:
    """Append the verdict to the summary of the job, where there is one.

    Raises:
        OutputError: the file cannot be written.
    """
    file = os.environ.get(VARIABLE)
    if not file:
        return
    try:
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(markdown(verdict))
    except OSError as error:
        raise OutputError(f"{VARIABLE}: {file} cannot be written: {error.strerror}") from None


def markdown(verdict: Verdict) -> str:
    """A heading, a table of demands, warnings, and what it was measured on."""
    record = verdict.record
    rows = [f"| {d.name} | {d.outcome} | {_cell(d.text)} |" for d in verdict.demands]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return "\n".join(
        [
            f"### pyq8 check: {verdict.outcome}",
            "",
            f"`{record['candidate']['path']}` against {record['against']}",
            "",
            "| demand | outcome | found |",
            "|---|---|---|",
            *rows,
            "",
            *(f"> warning: {_cell(text)}\n" for text in verdict.warnings),
            f"{record['cpu']}; {versions}",
            "",
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
