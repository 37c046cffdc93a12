"""Colours: on a terminal, not in a pipe, and as the environment wishes; the text is the same."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import click
import pytest

from pyq8.cli import main
from pyq8.cli.style import colour
from tests.cli.run import run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, *argv: str) -> tuple[str, str]:
    """(stdout, stderr) of a terminal."""
    out, error = Terminal(), Terminal()
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", error)
        main(list(argv))
    return out.getvalue(), error.getvalue()


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, None),
        ({"TERM": "xterm"}, None),
        ({"NO_COLOR": ""}, None),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "0", "FORCE_COLOR": ""}, None),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)  # fmt: skip
def test_the_environment_decides(environ: dict[str, str], wanted: bool | None) -> None:
    assert colour(environ) is wanted


def test_a_terminal_gets_colours_and_the_same_text(monkeypatch: pytest.MonkeyPatch, digits_model: str) -> None:
    plain = run("inspect", digits_model)[1]
    coloured, _ = on_terminal(monkeypatch, "inspect", digits_model)
    assert "\x1b[" not in plain and "\x1b[" in coloured
    assert click.unstyle(coloured) == plain
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert on_terminal(patch, "inspect", digits_model)[0] == plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("inspect", digits_model)[1] == coloured


def test_a_verdict_has_its_colour(monkeypatch: pytest.MonkeyPatch, digits_model: str, digits_images: str) -> None:
    check = ("check", digits_model, digits_model, "--data", digits_images, "--samples", "20")
    plain = run(*check, "--min-int8", "1")[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = run(*check, "--min-int8", "1")[1]
    assert coloured.endswith(click.style("FAILED", fg="red", bold=True) + "\n")
    assert click.unstyle(coloured) == plain
    assert run(*check, "--max-drop", "50")[1].endswith(click.style("passed", fg="green", bold=True) + "\n")


def test_an_error_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    _, error = on_terminal(monkeypatch, "inspect", "missing.onnx")
    assert error.startswith(click.style("pyq8:", fg="red"))
    assert run("inspect", "missing.onnx")[2] == click.unstyle(error)


def test_json_never_has_colours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digits_model: str) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = run("inspect", digits_model, "--json", "-")[1]
    assert json.loads(text)["kind"] == "pyq8 inspect" and "\x1b" not in text
    run("inspect", digits_model, "--json", str(tmp_path / "i.json"))
    assert "\\u001b" not in (tmp_path / "i.json").read_text()


def test_progress_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, digits_model: str, digits_images: str
) -> None:
    check = ("check", digits_model, digits_model, "--data", digits_images, "--samples", "4")
    assert run(*check)[2] == ""
    assert "0/4" in on_terminal(monkeypatch, *check)[1]
    assert on_terminal(monkeypatch, *check, "--quiet") == ("", "")
