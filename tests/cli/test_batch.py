"""Several models in one `pyq8 quantize`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.run import run


@pytest.fixture
def models(tmp_path: Path, digits_model: str) -> Path:
    """Two good models, a broken one and an INT8 one."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("a", "c"):
        shutil.copy(digits_model, folder / f"{name}.onnx")
    (folder / "b.onnx").write_text("no model")
    shutil.copy(digits_model, folder / "a.int8.onnx")
    return folder


@pytest.fixture
def how(digits_images: str, digits_preprocess: str) -> list[str]:
    return ["--calib", digits_images, "--preprocess", digits_preprocess, "--samples", "8", "--effort", "fast"]


def write_list(folder: Path, text: str) -> str:
    file = folder / "batch.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_one_that_fails_does_not_stop_the_others(
    models: Path, how: list[str], tmp_path: Path, workers: list[str]
) -> None:
    out, single = tmp_path / "out", tmp_path / "single.onnx"
    run("quantize", str(models / "a.onnx"), *how, "-o", str(single))

    code, stdout, stderr = run(
        "quantize", str(models), *how, "-o", str(out), "--json", str(tmp_path / "j.json"), *workers
    )

    assert code == 3
    assert stderr == f"pyq8: 1 of 3 models failed: {models / 'b.onnx'}\n"
    assert sorted(file.name for file in out.iterdir()) == ["a.int8.onnx", "c.int8.onnx"]
    assert all(file.read_bytes() == single.read_bytes() for file in out.iterdir())
    lines = stdout.splitlines()
    assert [line.split("]")[0] for line in lines[:3]] == ["[1/3", "[2/3", "[3/3"]
    header, a, b, c = lines[3:]
    assert header.split()[0] == "model" and "failed: " in b and "not an ONNX file" in b
    assert [row.split()[0] for row in (a, b, c)] == ["a.onnx", "b.onnx", "c.onnx"] and "21/21" in a
    data = json.loads((tmp_path / "j.json").read_text())
    assert (data["kind"], data["failed"]) == ("pyq8 quantize batch", 1)
    assert [m["error"] is None for m in data["models"]] == [True, False, True]
    assert data["models"][0]["result"]["kind"] == "pyq8 quantize"


def test_a_list_has_defaults_and_its_paths_are_relative_to_it(
    models: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(digits / "images", models / "photos")
    shutil.copy(digits / "preprocess.toml", models / "how.toml")
    text = """
        [defaults]
        calib = "photos"
        preprocess = "how.toml"
        samples = 8
        effort = "fast"
        format = "qoperator"
        [[models]]
        model = "a.onnx"
        format = "qdq"
        out = "new/x.onnx"
        exclude = ["*inverted*"]
        skip-bad = true
        [[models]]
        model = "c.onnx"
        save-plan = "c.plan.json"
    """
    monkeypatch.chdir(models.parent)

    code, stdout, stderr = run("quantize", write_list(models, text).replace(str(models.parent), "."), "--json", "-")

    assert (code, stderr) == (0, "")
    a, c = json.loads(stdout)["models"]
    assert a["result"]["plan"]["float_nodes"] and not c["result"]["plan"]["float_nodes"]
    assert (
        (models / "new" / "x.onnx").exists() and (models / "c.int8.onnx").exists() and (models / "c.plan.json").exists()
    )
    assert (a["result"]["format"], c["result"]["format"]) == ("qdq", "qoperator")


@pytest.mark.parametrize(
    ("text", "more", "found"),
    [
        ("[[models]]\nmodel = 'a.onnx'\ncalb = 'x'", [], "model 1: unknown key 'calb'; did you mean 'calib'?"),
        ("[defaults]\nobserve = 'x'", [], "[defaults]: unknown key 'observe'; did you mean 'observer'?"),
        ("[default]\nobserver = 'x'", [], "unknown key 'default'; did you mean 'defaults'?"),
        ("[[models]]\ncalib = 'x'", [], "model 1: does not say which; add model = FILE"),
        ("[[models]]\nmodel = 'a.onnx'\nskip-bad = 'yes'", [], "model 1: skip-bad: is 'yes', wants true or false"),
        ("[[models]]\nmodel = 'a.onnx'\nsamples = 'x'", [], "a.onnx: option --samples: 'x' is not a valid integer"),
        ("[[models]]\nmodel = 'a.onnx'\nobserver = 'mini'", [], "a.onnx: option --observer: 'mini' is not one of"),
        ("[[models]]\nmodel = 'a.onnx'", [], "a.onnx: --calib is missing"),
        ("[[models]]\nmodel = 'a.onnx'", ["--observer", "kl"], "--observer and {}: say it there"),
        ("models = 3", [], "wants a table [defaults] and a table [[models]]"),
        ("", [], "names no models; add a table [[models]]"),
        ("[[models", [], "batch.toml: "),
        (
            "[defaults]\ncalib = '.'\n[[models]]\nmodel = 'a.onnx'\n[[models]]\nmodel = 'no.onnx'",
            [],
            "no.onnx: no such file; give the path of an ONNX model",
        ),
        ("[[models]]\nmodel = 'a.onnx'\ncalib = 'nowhere'", [], "nowhere: does not exist; give a folder of images"),
        (
            "[defaults]\ncalib = '.'\n[[models]]\nmodel = 'a.onnx'\n[[models]]\nmodel = 'c.onnx'\nout='a.int8.onnx'",
            [],
            "a.int8.onnx: two models would write it; give each an `out` of its own",
        ),
        (
            "[defaults]\ncalib = '.'\n[[models]]\nmodel = 'a.onnx'\n[[models]]\nmodel = 'c.onnx'\nout='a.onnx'",
            [],
            "a.onnx: would overwrite another of the models; give another `out`",
        ),
    ],
)
def test_what_cannot_be_is_one_line_before_the_work(models: Path, text: str, more: list[str], found: str) -> None:
    before = sorted(models.iterdir())
    file = write_list(models, text)

    code, stdout, stderr = run("quantize", file, *more)

    assert code in (2, 3) and not stdout and stderr.count("\n") == 1
    assert found.format(file) in stderr
    assert sorted(models.iterdir()) == sorted([*before, models / "batch.toml"])


def test_a_folder_without_models_and_one_plan_for_all_are_refused(tmp_path: Path, models: Path, how: list[str]) -> None:
    (tmp_path / "empty").mkdir()

    assert "no .onnx files in it" in run("quantize", str(tmp_path / "empty"), *how)[2]
    code, _, err = run("quantize", str(models), *how, "--save-plan", "p.json")
    assert (code, err) == (2, "pyq8: --save-plan: is of one model; name it in a list (batch.toml)\n")
