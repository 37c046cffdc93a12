"""pyq8.toml: where it is found, what it changes, what wins over it, and how mistakes in it are answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyq8.errors import UsageError
from tests.cli.run import run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What reached the library, from a repository with a folder in it, which is the current one."""
    from pyq8 import api

    heard: dict[str, Any] = {}

    def listen(*paths: Any, **options: Any) -> Any:
        heard.update(options, paths=paths)
        raise UsageError("heard")

    for name in ("quantize", "check"):
        monkeypatch.setattr(api, name, listen)
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    return heard


def write(folder: Path, text: str, name: str = "pyq8.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_table_has_the_options_of_its_command(tmp_path: Path, asked: dict[str, Any]) -> None:
    write(tmp_path, '[quantize]\nobserver = "mse"\nsamples = 7\nexclude = ["/a", "/b*"]\nskip-bad = true\n'
                    "[check]\nmax-drop = 0.5\nmin-int8 = 1\n")  # fmt: skip
    run("quantize", "m.onnx", "--calib", "photos")
    assert (asked["observer"], asked["samples"], asked["exclude"]) == ("mse", 7, ("/a", "/b*"))
    assert asked["skip_bad"] is True
    run("check", "a.onnx", "b.onnx", "--data", "photos")
    assert (asked["max_drop"], asked["min_int8"], asked["samples"]) == (0.5, 1.0, None)


def test_the_command_line_wins(tmp_path: Path, asked: dict[str, Any]) -> None:
    write(tmp_path, '[quantize]\nobserver = "mse"\nsamples = 7\n')
    run("quantize", "m.onnx", "--calib", "photos", "--samples", "9")
    assert (asked["observer"], asked["samples"]) == ("mse", 9)


def test_paths_are_relative_to_the_file(tmp_path: Path, asked: dict[str, Any]) -> None:
    write(tmp_path, '[quantize]\ncalib = "photos"\n')
    run("quantize", "m.onnx")
    assert asked["paths"] == ("m.onnx", "../photos")
    write(tmp_path, f'[quantize]\ncalib = "{tmp_path}/elsewhere"\n')
    run("quantize", "m.onnx")
    assert asked["paths"] == ("m.onnx", f"{tmp_path}/elsewhere")


def test_the_nearest_file_up_to_the_root_of_the_repository_is_taken(
    tmp_path: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "inner"
    (inner / ".git").mkdir(parents=True)
    write(tmp_path, "[quantize]\nsamples = 3\n")
    monkeypatch.chdir(inner)  # a repository of its own
    run("quantize", "m.onnx", "--calib", "photos")
    assert asked["samples"] == 100
    write(inner, "[quantize]\nsamples = 4\n")
    run("quantize", "m.onnx", "--calib", "photos")
    assert asked["samples"] == 4


def test_outside_of_a_repository_only_the_current_folder_counts(
    tmp_path: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").rmdir()
    write(tmp_path, "[quantize]\nsamples = 3\n")
    run("quantize", "m.onnx", "--calib", "photos")
    assert asked["samples"] == 100
    monkeypatch.chdir(tmp_path)
    run("quantize", "m.onnx", "--calib", "photos")
    assert asked["samples"] == 3


def test_config_is_taken_before_the_variable_and_that_before_what_is_found(
    tmp_path: Path, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "[quantize]\nsamples = 3\n")
    monkeypatch.setenv("PYQ8_CONFIG", str(write(tmp_path, "[quantize]\nsamples = 4\n", "other.toml")))
    run("quantize", "m.onnx", "--calib", "photos")
    assert asked["samples"] == 4
    mine = write(tmp_path, '[quantize]\nsamples = 5\npreprocess = "p.toml"\n', "mine.toml")
    _, _, error = run("--config", str(mine), "quantize", "m.onnx", "--calib", "photos")
    assert f"{tmp_path}/p.toml" in error
    run("--config", "/dev/null", "quantize", "m.onnx", "--calib", "photos")
    assert asked["samples"] == 100


def test_help_shows_the_defaults_of_the_file(tmp_path: Path, asked: dict[str, Any]) -> None:
    del asked
    write(tmp_path, '[quantize]\neffort = "best"\nsamples = 7\n[check]\nmax-drop = 0.25\n')
    assert {"best]", "7;"} <= set(run("quantize", "--help")[1].split())
    assert "0.25]" in run("check", "--help")[1].split()


@pytest.mark.parametrize(
    ("option", "instead"), [(("--preprocess", "p.toml"), "p.toml: cannot be read"), (("--preset", "raw"), "heard")]
)
def test_a_default_gives_way_to_the_option_that_excludes_it(
    tmp_path: Path, asked: dict[str, Any], option: tuple[str, str], instead: str
) -> None:
    other = 'preset = "imagenet"' if option[0] == "--preprocess" else 'preprocess = "p.toml"'
    write(tmp_path, f"[quantize]\n{other}\n[check]\nmin = 20\n")
    assert instead in run("quantize", "m.onnx", "--calib", "photos", *option)[2]
    run("check", "a.onnx", "b.onnx", "--data", "photos", "--max-drop", "1")
    assert (asked["max_drop"], asked["minimum"]) == (1.0, None)


def test_defaults_for_images_give_way_to_arrays(tmp_path: Path, asked: dict[str, Any]) -> None:
    np.savez(tmp_path / "d.npz", image=np.zeros(1))
    write(tmp_path, '[quantize]\npreset = "imagenet"\nskip-bad = true\n')
    run("quantize", "m.onnx", "--calib", "../d.npz")
    assert (asked["preprocess"], asked["skip_bad"]) == (None, False)


def test_defaults_for_ranking_do_not_keep_inspect_from_kernels(
    tmp_path: Path, digits_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, '[inspect]\npreset = "imagenet"\nobserver = "mse"\n')
    assert run("inspect", digits_model)[0] == 0
    code, _, error = run("inspect", digits_model, "--observer", "mse")
    assert code == 2 and "--data" in error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[quantise]\nsamples = 1", "unknown table [quantise]; did you mean 'quantize'?"),
        ("samples = 1", "samples is outside of a table; write it under [quantize], or another command"),
        ("[quantize]\nsampels = 1", "[quantize] unknown key 'sampels'; did you mean 'samples'?"),
        ("[quantize]\nsave_plan = 'p'", "[quantize] unknown key 'save_plan'; did you mean 'save-plan'?"),
        ("[quantize]\nsamples = '7'", "[quantize] samples is '7'; it must be a whole number"),
        ("[quantize]\nsamples = true", "[quantize] samples is True; it must be a whole number"),
        ("[quantize]\nsamples = 0", "[quantize] samples: 0 is not in the range x>=1"),
        ("[check]\nmax-drop = 'half'", "[check] max-drop is 'half'; it must be a number"),
        ("[quantize]\nskip-bad = 1", "[quantize] skip-bad is 1; it must be true or false"),
        ("[quantize]\nexclude = '/a'", "[quantize] exclude is '/a'; it must be a list"),
        ("[quantize]\nexclude = [1]", "[quantize] exclude is 1; it must be text"),
        ("[quantize]\neffort = 'bset'",
         "[quantize] effort: 'bset' is not one of fast, default, best; did you mean 'best'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(tmp_path: Path, asked: dict[str, Any], text: str, said: str) -> None:
    write(tmp_path, text)
    code, out, error = run("quantize", "m.onnx", "--calib", "photos")
    assert (code, out, error) == (2, "", f"pyq8: ../pyq8.toml: {said}\n")
    assert not asked


@pytest.mark.parametrize("text", ["[quantize", None])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "mine.toml"
    if text is not None:
        file.write_text(text)
    code, _, error = run("--config", str(file), "quantize", "m.onnx", "--calib", "photos")
    assert code == 2 and error.startswith(f"pyq8: {file}: ") and error.count("\n") == 1
