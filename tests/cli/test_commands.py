"""Each command on the embedded network: what it prints, writes and returns."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.run import run


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str,
              digits_preprocess: str) -> tuple[Path, str, dict[str, object]]:  # fmt: skip
    folder = tmp_path_factory.mktemp("quantized")
    out = folder / "digits.int8.onnx"
    code, text, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                        "-o", str(out), "--json", str(folder / "q.json"))  # fmt: skip
    assert code == 0
    return out, text, json.loads((folder / "q.json").read_text())


def test_quantize_says_what_happened_in_about_ten_lines(quantized: tuple[Path, str, dict[str, object]]) -> None:
    out, text, _ = quantized
    assert out.exists()
    lines = text.splitlines()
    assert 8 <= len(lines) <= 14
    for wanted in ("100 images, observer", "peak memory", "48 INT8, 0 FP32", "21/21 convolutions on INT8 kernels",
                   "20 on the fast path", "logits", "MiB", "next        pyq8 check"):  # fmt: skip
        assert wanted in text


def test_the_json_holds_plan_report_and_passes(quantized: tuple[Path, str, dict[str, object]]) -> None:
    data = quantized[2]
    assert data["kind"] == "pyq8 quantize" and data["schema"] == 1
    assert {"plan", "report", "passes", "seconds", "peak_rss_mib", "samples", "version"} <= set(data)


def test_inspect_names_every_kernel(quantized: tuple[Path, str, dict[str, object]]) -> None:
    code, text, _ = run("inspect", str(quantized[0]))
    assert code == 0
    assert "/stem/conv/Conv" in text and "slow path (1 input channels are no multiple of 4)" in text
    assert "21/21 convolutions on INT8 kernels" in text


def test_inspect_of_an_fp32_model_finds_no_int8(digits_model: str) -> None:
    code, text, _ = run("inspect", digits_model, "--json", "-")
    assert code == 0
    data = json.loads(text)
    assert data["convolutions"] == 19 and data["int8_convolutions"] == 0


def test_bench_prints_a_ratio(quantized: tuple[Path, str, dict[str, object]], digits_model: str) -> None:
    code, text, _ = run("bench", digits_model, str(quantized[0]), "--rounds", "1", "--seconds", "0", "--json", "-")
    assert code == 0
    rows = json.loads(text)["reports"][0]["rows"]
    assert rows[0]["ratio"] == 1 and rows[1]["ratio"] > 0


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
