"""Wrong usage is one line that names the command and the option, and exits with 2."""

from __future__ import annotations

import pytest

from tests.cli.run import run


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["quantize"], "pyq8 quantize: argument MODEL|FOLDER|BATCH.toml is missing; see --help"),
        (["bench"], "pyq8 bench: argument MODEL is missing; see --help"),
        (["check", "a", "b"], "pyq8 check: option --data is missing; see --help"),
        (["quantize", "m", "--effort", "x"],
         "pyq8 quantize: option --effort: 'x' is not one of fast, default, best"),
        (["quantize", "m", "--effort", "bset"],
         "pyq8 quantize: option --effort: 'bset' is not one of fast, default, best; did you mean 'best'?"),
        (["quantize", "m", "-o"], "option -o requires an argument"),
        (["quantize", "m", "--samples", "0"], "pyq8 quantize: option --samples: 0 is not in the range x>=1"),
        (["quantize", "m", "--samples", "x"], "pyq8 quantize: option --samples: 'x' is not a valid integer range"),
        (["quantize", "m", "n"], "pyq8 quantize: got unexpected extra argument (n)"),
        (["completion", "csh"],
         "pyq8 completion: argument SHELL: 'csh' is not one of bash, zsh, fish; did you mean 'zsh'?"),
        (["nonsense"], "pyq8: no such command 'nonsense'"),
        (["quantize", "m", "--preste", "raw"], "pyq8 quantize: no such option --preste; did you mean --pre"),
    ],
)  # fmt: skip
def test_one_line(argv: list[str], said: str) -> None:
    code, text, error = run(*argv)
    assert (code, text, error.count("\n")) == (2, "", 1)
    assert said in error


def test_no_arguments_at_all_show_the_help() -> None:
    code, text, error = run()
    assert code in (0, 2) and (text + error).count("\n") > 10
