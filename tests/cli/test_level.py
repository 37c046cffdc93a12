"""--quiet and --verbose, before the command and behind it."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from pyq8 import cli
from tests.cli.run import run

FEW = ("--samples", "2", "--effort", "fast")


@pytest.fixture
def quantize(tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str) -> tuple[str, ...]:
    """A command that takes a moment."""
    return ("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess, *FEW,
            "-o", str(tmp_path / "o.onnx"))  # fmt: skip


def test_quiet_prints_the_path_and_nothing_else(tmp_path: Path, quantize: tuple[str, ...]) -> None:
    out = tmp_path / "o.onnx"
    assert run("-q", *quantize) == (0, f"{out}\n", "")
    assert run(*quantize, "--quiet") == (0, f"{out}\n", "")


def test_quiet_drops_warnings_but_no_errors(tmp_path: Path, digits_model: str, digits_images: str) -> None:
    command = ("quantize", digits_model, "--calib", digits_images, *FEW, "-o", str(tmp_path / "o.onnx"))
    code, _, error = run(*command)
    assert code == 0 and error.startswith("warning: preprocessing was guessed")
    assert run(*command, "-q")[2] == ""
    code, text, error = run("quantize", "missing.onnx", "--calib", digits_images, "-q")
    assert (code, text) == (3, "") and error == "pyq8: missing.onnx: no such file; give the path of an ONNX model\n"


def test_quiet_leaves_the_exit_code_of_a_gate(digits_model: str, digits_images: str) -> None:
    check = ("check", digits_model, digits_model, "--data", digits_images, "--samples", "20")
    assert run("-q", *check, "--max-drop", "5") == (run(*check, "--max-drop", "5")[0], "", "")
    assert run("-q", *check, "--min-int8", "1") == (1, "", "")


def test_quiet_leaves_json_on_standard_output_alone(digits_model: str) -> None:
    code, text, error = run("inspect", digits_model, "--json", "-", "-q")
    assert (code, error) == (0, "") and text.startswith("{") and text.endswith("}\n")


@pytest.mark.parametrize("command", ["inspect", "bench"])
def test_quiet_tables_say_nothing(digits_model: str, command: str) -> None:
    fast = ("--rounds", "1", "--seconds", "0") if command == "bench" else ()
    assert run(command, digits_model, *fast, "--quiet") == (0, "", "")


def test_verbose_tells_stages_passes_and_reasons_on_standard_error(quantize: tuple[str, ...]) -> None:
    code, text, error = run(*quantize, "-v", "--exclude", "/stem/*", "--json", "-")
    assert code == 0 and text.startswith("{")
    for wanted in ("calibrate   2 in ", "equalize    ", "pass        fold_batchnorm: 19 changed, 0 refused",
                   "FP32        /stem/conv/Conv: excluded by '/stem/*'", " s in all"):  # fmt: skip
        assert wanted in error
    assert "pass" not in run(*quantize)[2]


def test_verbose_names_the_configuration_file(
    tmp_path: Path, digits_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(digits_model, tmp_path / "m.onnx")
    (tmp_path / "pyq8.toml").write_text("[inspect]\n")
    monkeypatch.chdir(tmp_path)
    for argv in (("--verbose", "inspect", "m.onnx"), ("inspect", "m.onnx", "-v")):
        assert run(*argv)[2].splitlines()[0] == "config      pyq8.toml"
    assert run("inspect", "m.onnx")[2] == ""


@pytest.mark.parametrize("argv", [("-q", "inspect", "m", "-v"), ("inspect", "-q", "-v", "m"), ("-qv", "demo")])
def test_both_at_once_is_refused(argv: tuple[str, ...]) -> None:
    code, text, error = run(*argv)
    assert (code, text, error) == (2, "", "pyq8: --quiet and --verbose exclude each other; give one\n")


def test_every_command_prints_by_what_knows_the_level() -> None:
    for file in Path(cli.__file__).parent.glob("*.py"):
        if file.name in ("__init__.py", "completion.py", "level.py", "output.py"):
            continue
        calls = [n for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        echoes = [c for c in calls if ast.unparse(c.func) == "click.echo" and "err" not in {k.arg for k in c.keywords}]
        assert not echoes, f"{file.name}: line {echoes[0].lineno}: use level.say, line, warn, detail or tell_path"
