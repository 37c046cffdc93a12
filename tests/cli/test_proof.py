"""`pyq8 quantize` and `tune` write only what was proven, and say what is doubtful."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import pyq8
from pyq8 import cpu
from pyq8.errors import ModelError
from pyq8.verify.proof import run_file
from tests.cli.run import run
from tests.small_models import between

Made = tuple[Path, Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    model, images = tmp_path / "m.onnx", tmp_path / "images.npz"
    onnx.save(ir.to_proto(between("[r] b = Relu(a)")), model)
    np.savez(images, x=np.random.default_rng(0).standard_normal((16, 8, 12, 12)).astype(np.float32))
    return model, images


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(session: Any, names: list[str], feeds: Any) -> list[Any]:
        return [-array for array in run_file(session, names, feeds)]

    monkeypatch.setattr("pyq8.verify.layers.run_file", other)


@pytest.mark.usefixtures("broken", "hasty")
@pytest.mark.parametrize("command", ["qdq", "qoperator", "tune", "replay", "batch"])
def test_a_file_that_is_not_the_plan_leaves_the_target_as_it_was(made: Made, tmp_path: Path, command: str) -> None:
    model, images = map(str, made)
    out = tmp_path / "out" / "m.int8.onnx"
    out.parent.mkdir()
    out.write_bytes(b"before")
    arguments = ["quantize", model, "--calib", images, "-o", str(out), "--format", command]
    if command == "tune":
        arguments = ["tune", model, "--calib", images, "--data", images, "-o", str(out), "--metric", "sqnr"]
        arguments += ["--min", "20"]
    if command == "batch":
        arguments = ["quantize", str(tmp_path), "--calib", images, "-o", str(out.parent)]
    if command == "replay":
        plan = str(tmp_path / "plan.json")
        _save_plan(model, images, plan)
        arguments = ["quantize", model, "--plan", plan, "--calib", images, "-o", str(out)]

    code, _, error = run(*arguments)

    assert code == 3
    assert "another INT8 model than the one planned" in error or command == "batch"
    assert "Traceback" not in error
    assert [file.name for file in out.parent.iterdir() if not file.name.endswith(".json")] == ["m.int8.onnx"]
    assert out.read_bytes() == b"before"


def _save_plan(model: str, images: str, plan: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pyq8.verify.layers.run_file", lambda session, names, feeds: session.run(names, feeds))
        pyq8.quantize(model, images).save_plan(plan)


@pytest.mark.usefixtures("broken")
def test_the_library_refuses_it_too(made: Made) -> None:
    with pytest.raises(ModelError, match="another INT8 model"):
        pyq8.quantize(*made)


def test_a_low_result_is_said_with_the_command_to_run_next(made: Made, tmp_path: Path) -> None:
    images, model, out = str(made[1]), str(tmp_path / "low.onnx"), str(tmp_path / "o.onnx")
    onnx.save(ir.to_proto(between("[m] b = Reciprocal(a)")), model)
    assert run("quantize", str(made[0]), "--calib", images, "-o", out)[::2] == (0, "")

    code, _, error = run("quantize", model, "--calib", images, "-o", out, "--json", str(tmp_path / "j"))

    assert code == 0
    (line,) = [line for line in error.splitlines() if "low accuracy" in line]
    assert line.endswith(f"see which layers lose it: pyq8 inspect {model} --data {images}")
    said, *_ = json.loads((tmp_path / "j").read_text())["warnings"]
    assert line == f"warning: {said}" and "y " in said
    report = pyq8.quantize(model, images).report
    assert f"warning: {report.low[0]}" in str(report) and said.startswith(report.low[0])
    assert run("inspect", model, "--data", images)[0] == 0


def test_images_that_disagree_are_said_with_the_command_to_run_next(made: Made, tmp_path: Path) -> None:
    model, _ = map(str, made)
    few = tmp_path / "few.npz"
    rng = np.random.default_rng(0)
    np.savez(few, x=(rng.standard_normal((8, 8, 12, 12)) * np.geomspace(1, 20, 8)[:, None, None, None]).astype("f4"))

    code, _, error = run("quantize", model, "--calib", str(few), "-o", str(tmp_path / "o.onnx"))

    assert code == 0
    (line,) = [line for line in error.splitlines() if "calibration images are few" in line]
    assert line.endswith(f"give more than are there: pyq8 quantize {model} --calib {few}")

    _, _, error = run("quantize", model, "--calib", str(few), "-o", str(tmp_path / "o.onnx"), "--samples", "8")
    assert f"give more: pyq8 quantize {model} --calib {few} --samples 16\n" in error


def test_figures_of_sums_that_saturate_here_are_told(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the weights would saturate, those of another session are lower."""
    monkeypatch.setattr(cpu, "isa", lambda: frozenset({"avx2"}))
    model, images = map(str, made)
    given = "quantize", model, "--calib", images, "-o", str(tmp_path / "o.onnx"), "--json", "-", "--target"

    assert run(*given, "avx2")[2] == ""
    code, text, error = run(*given, "vnni")
    (line,) = [line for line in json.loads(text)["warnings"] if "saturate" in line]
    assert code == 0 and f"warning: {line}" in error and "--target avx2" in line


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("command", ["quantize", "check", "inspect", "tune"])
def test_a_model_that_draws_at_random_is_told(tmp_path: Path, made: Made, command: str) -> None:
    model, images, out = str(tmp_path / "random.onnx"), str(made[1]), str(tmp_path / "o.onnx")
    onnx.save(ir.to_proto(between("[n] z = RandomNormalLike(a) b = Add(a, z)")), model)
    judge = "--metric", "sqnr", "--min", "-50"
    arguments: dict[str, tuple[str, ...]] = {
        "quantize": (model, "--calib", images, "-o", out),
        "check": (model, model, "--data", images, *judge),
        "inspect": (model, "--data", images),
        "tune": (model, "--calib", images, "--data", images, "-o", out, *judge),
    }

    _, text, error = run(command, *arguments[command])

    assert "node 'n' (RandomNormalLike) draws at random" in text + error
