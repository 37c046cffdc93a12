"""What a user does with the embedded network, on whatever CPU this is; make test-avx2: one without VNNI."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.run import run

import pyq8
from pyq8 import cpu
from pyq8.loaders import Preprocess, open_loader
from pyq8.model.file import load
from pyq8.model.intake import input_specs

pytestmark = pytest.mark.cpu
IMAGES = 4  # an emulated CPU takes a third of a second for each


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str, digits_preprocess: str
) -> Path:
    """A model of `pyq8 quantize` in each format, and one of 8-bit weights made for VNNI."""
    folder = tmp_path_factory.mktemp("made")
    plan = str(folder / "plan.json")
    images = "--calib", digits_images, "--preprocess", digits_preprocess, "--samples", str(IMAGES), "--effort", "fast"
    for name, given in {
        "qdq": (*images, "--save-plan", plan),
        "qoperator": ("--plan", plan, "--format", "qoperator"),
        "pyq8": ("--plan", plan, "--format", "pyq8"),
        "vnni": (*images, "--target", "vnni"),
    }.items():
        code, text, error = run("quantize", digits_model, *given, "-o", str(folder / f"{name}.onnx"))
        assert code == 0, error
        assert "48 INT8, 0 FP32" in text
    return folder


@pytest.mark.parametrize("name", ["qdq", "qoperator", "pyq8", "vnni"])
def test_the_gate_passes(made: Path, name: str, digits_model: str, digits_images: str) -> None:
    given = "--data", digits_images, "--samples", "10", "--metric", "sqnr", "--min", "30", "--min-int8", "1"
    code, text, error = run("check", digits_model, str(made / f"{name}.onnx"), *given)

    assert code == 0, text + error
    assert ("--target avx2" in text + error) is (name == "vnni" and cpu.cpu_class().saturates)


def test_inspect_names_the_fast_kernels(made: Path) -> None:
    code, text, _ = run("inspect", str(made / "qdq.onnx"))

    assert code == 0
    assert "21/21 convolutions on INT8 kernels, 20 on the fast path" in text
    assert cpu.describe() in text


def test_integers_of_both_formats_are_the_same(
    made: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    preprocess = Preprocess.from_toml(digits_preprocess)
    loader = open_loader(
        digits_images, input_specs(load(digits_model)), preprocess=preprocess, split="val", samples=IMAGES, seed=None
    )

    qoperator, own = (
        [pyq8.session(made / f"{name}.onnx").run(None, dict(batch.feeds))[0].tobytes() for batch in loader]
        for name in ("qoperator", "pyq8")
    )

    assert len(own) > 0
    assert qoperator == own
