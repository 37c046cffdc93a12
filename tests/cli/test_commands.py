"""Each command on the embedded network: what it prints, writes and returns."""

from __future__ import annotations

import inspect
import json
import shlex
from pathlib import Path
from typing import Any

import onnx
import pytest

from pyq8.errors import UsageError
from pyq8.model.file import load
from tests.cli.run import run


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str,
              digits_preprocess: str) -> tuple[Path, str, dict[str, Any]]:  # fmt: skip
    folder = tmp_path_factory.mktemp("quantized")
    out = folder / "digits.int8.onnx"
    code, text, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                        "-o", str(out), "--json", str(folder / "q.json"))  # fmt: skip
    assert code == 0
    return out, text, json.loads((folder / "q.json").read_text())


def test_quantize_says_what_happened_in_about_ten_lines(quantized: tuple[Path, str, dict[str, Any]]) -> None:
    out, text, _ = quantized
    assert out.exists()
    lines = text.splitlines()
    assert 8 <= len(lines) <= 14
    for wanted in ("100 images, observer", "images      enough: ", "peak memory", "48 INT8, 0 FP32",
                   "21/21 convolutions on INT8 kernels", "20 on the fast path", "logits", "MiB",
                   "next        pyq8 check"):  # fmt: skip
        assert wanted in text


def test_a_figure_of_few_calibration_images_is_not_taken_for_more(
    tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    code, text, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                        "--samples", "1", "-o", str(tmp_path / "o.onnx"))  # fmt: skip
    (line,) = [line for line in text.splitlines() if line.startswith("outputs")]
    assert code == 0
    assert "SQNR on 1 calibration image: " in line and line.endswith("; others may lose more")


def test_the_json_holds_plan_report_and_passes(quantized: tuple[Path, str, dict[str, Any]]) -> None:
    data = quantized[2]
    assert data["kind"] == "pyq8 quantize" and data["schema"] == 1
    assert data["placement"] == "cost"
    assert {"plan", "report", "passes", "seconds", "peak_rss_mib", "samples", "version"} <= set(data)
    halves = data["report"]["halves"]
    assert halves["enough"] is True and sum(halves["samples"]) == 100
    assert set(halves["rows"][0]) == {"tensor", "first", "second", "difference"}


def test_the_placement_that_was_asked_for_is_remembered(
    tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    out = tmp_path / "all.onnx"
    code, text, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                        "--samples", "2", "--placement", "all", "-o", str(out), "--json", "-")  # fmt: skip
    assert code == 0
    assert json.loads(text)["placement"] == "all"
    assert load(out, quantized=True).metadata_props["pyq8.placement"] == "all"


def test_inspect_names_every_kernel(quantized: tuple[Path, str, dict[str, Any]]) -> None:
    code, text, _ = run("inspect", str(quantized[0]))
    assert code == 0
    assert "/stem/conv/Conv" in text and "slow path (1 input channels are no multiple of 4)" in text
    assert "21/21 convolutions on INT8 kernels" in text


def test_inspect_of_an_fp32_model_finds_no_int8(digits_model: str) -> None:
    code, text, _ = run("inspect", digits_model, "--json", "-")
    assert code == 0
    data = json.loads(text)
    assert data["convolutions"] == 19 and data["int8_convolutions"] == 0


def test_bench_prints_a_ratio(quantized: tuple[Path, str, dict[str, Any]], digits_model: str) -> None:
    code, text, _ = run("bench", digits_model, str(quantized[0]), "--rounds", "1", "--seconds", "0", "--json", "-")
    assert code == 0
    data = json.loads(text)
    assert (data["kind"], data["schema"]) == ("pyq8 bench", 2)
    rows = data["rows"]
    assert rows[0]["ratio"] == 1 and rows[1]["ratio"] > 0
    assert all(row["gops"] > 0 and row["int8_peak_share"] > 0 for row in rows)


def test_bench_hands_its_options_on(monkeypatch: pytest.MonkeyPatch, digits_model: str) -> None:
    from pyq8.bench import speed

    asked: dict[str, Any] = {}

    def time_models(models: tuple[str, ...], **options: Any) -> Any:
        asked.update(options, models=models)
        raise UsageError("seen")

    monkeypatch.setattr(speed, "time_models", time_models)
    run("bench", digits_model, digits_model, "--batch", "1,16", "--threads", "1,2", "--rounds", "3", "--seconds", "0.5",
        "--size", "320X300", "--profile")  # fmt: skip

    del asked["progress"]
    assert asked == {"models": (digits_model, digits_model), "batch": [1, 16], "threads": [1, 2], "rounds": 3,
                     "seconds": 0.5, "size": (320, 300), "profile": True}  # fmt: skip


def test_a_profile_of_one_model_says_what_to_compare_it_with(digits_model: str, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    code, text, _ = run("bench", digits_model, "--rounds", "1", "--seconds", "0", "--profile", "--json", str(file))
    assert code == 0
    assert "slowest nodes" in text
    assert text.endswith("give the FP32 model first and the INT8 model behind it\n")
    data = json.loads(file.read_text())
    (profile,) = data["profiles"]
    assert profile["operators"][0]["op_type"] == "Conv" and data["comparisons"] == []
    assert "/stem/conv/Conv" in {node["name"] for node in profile["nodes"]}


@pytest.mark.usefixtures("hasty")
def test_demo_passes(tmp_path: Path) -> None:
    code, text, _ = run("demo", "-o", str(tmp_path))
    assert code == 0
    assert (tmp_path / "digits.int8.onnx").exists()
    assert "as fast as FP32" in text and "passed" in text


def test_the_next_command_can_be_pasted(
    tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    out = str(tmp_path / "my model.onnx")
    code, text, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                        "--samples", "2", "-o", out)  # fmt: skip
    assert code == 0
    command = next(line for line in text.splitlines() if line.startswith("next"))
    assert shlex.split(command)[1:] == ["pyq8", "check", digits_model, out, "--data", digits_images]


def test_the_command_has_the_defaults_of_the_library() -> None:
    from pyq8.cli.quantize import command
    from pyq8.types import Config

    defaults = {p.name: p.default for p in command.params}
    assert (defaults["observer"], defaults["format_"]) == (Config().observer, Config().format)
    assert defaults["placement"] == Config().placement


def test_bench_has_the_defaults_of_the_library() -> None:
    from pyq8.bench.speed import time_models
    from pyq8.cli.bench import command

    library = inspect.signature(time_models).parameters
    defaults = {p.name: p.default for p in command.params}
    assert defaults["batch"] == str(library["batch"].default)
    for name in ("rounds", "seconds"):
        assert defaults[name] == library[name].default


def test_the_size_of_a_model_is_that_of_all_its_files(
    tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    whole = onnx.load(digits_model)
    onnx.save(whole, tmp_path / "m.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    size = sum((tmp_path / name).stat().st_size for name in ("m.onnx", "weights.bin")) / 2**20

    how = ["--calib", digits_images, "--preprocess", digits_preprocess, "--samples", "4", "--effort", "fast"]
    _, text, _ = run("quantize", str(tmp_path / "m.onnx"), *how)

    assert f"({size:.1f} MiB -> " in text
