"""Colours on a terminal: what they mean, and when there are none. Without them the text is the same."""

from __future__ import annotations

from collections.abc import Mapping

import click

VERDICTS = {"passed": "green", "failed": "red", "inconclusive": "yellow"}


def colour(environ: Mapping[str, str]) -> bool | None:
    """Whether to colour: True or False where the environment says so, None for on a terminal only.

    NO_COLOR that is not empty forbids it; then FORCE_COLOR or CLICOLOR_FORCE, neither empty nor 0, wants it; then
    TERM=dumb forbids it.
    """
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return False if environ.get("TERM") == "dumb" else None


def verdict(outcome: str, text: str) -> str:
    """Text in the colour of a verdict.

    Args:
        outcome: passed, failed or inconclusive, in whatever case.
        text: what is printed.
    """
    return click.style(text, fg=VERDICTS[outcome.lower()], bold=True)


def dim(text: str) -> str:
    """What a reader may skip."""
    return click.style(text, dim=True) if text.strip() else text
