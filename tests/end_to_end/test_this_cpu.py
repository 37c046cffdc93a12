"""What a user does with the embedded network, on whatever CPU this is; make test-avx2: one without VNNI."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from tests.cli.run import run

import pyq8
from pyq8 import cpu
from pyq8.loaders import Preprocess, open_loader
from pyq8.model.file import load
from pyq8.model.intake import input_specs

pytestmark = pytest.mark.cpu
IMAGES = 4


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """A model of `pyq8 quantize` in each format, and one of 8-bit weights made for VNNI.

    Of the embedded network, for the middle of its images: an emulated CPU takes more than a second for a whole one.
    """
    folder = tmp_path_factory.mktemp("made")
    proto = onnx.load(digits / "digits.onnx")
    for size in proto.graph.input[0].type.tensor_type.shape.dim[2:]:
        size.dim_value = 16
    onnx.save(proto, folder / "fp32.onnx")
    text = (digits / "preprocess.toml").read_text(encoding="utf-8")
    (folder / "preprocess.toml").write_text(text.replace("[32, 32]", "[16, 16]"), encoding="utf-8")
    plan = str(folder / "plan.json")
    how = "--preprocess", str(folder / "preprocess.toml"), "--samples", str(IMAGES), "--effort", "fast"
    images = "--calib", str(digits / "images"), *how
    for name, given in {
        "qdq": (*images, "--save-plan", plan),
        "qoperator": ("--plan", plan, "--format", "qoperator"),
        "pyq8": ("--plan", plan, "--format", "pyq8"),
        "vnni": (*images, "--target", "vnni"),
    }.items():
        code, text, error = run("quantize", str(folder / "fp32.onnx"), *given, "-o", str(folder / f"{name}.onnx"))
        assert code == 0, error
        assert "48 INT8, 0 FP32" in text
    return folder


@pytest.mark.parametrize("name", ["qdq", "qoperator", "pyq8", "vnni"])
def test_the_gate_passes(made: Path, name: str, digits_images: str) -> None:
    given = "--data", digits_images, "--samples", "10", "--metric", "sqnr", "--min", "30", "--min-int8", "1"
    code, text, error = run("check", str(made / "fp32.onnx"), str(made / f"{name}.onnx"), *given)

    assert code == 0, text + error
    assert ("--target avx2" in text + error) is (name == "vnni" and cpu.cpu_class().saturates)


def test_inspect_names_the_fast_kernels(made: Path) -> None:
    code, text, _ = run("inspect", str(made / "qdq.onnx"))

    assert code == 0
    assert "21/21 convolutions on INT8 kernels, 20 on the fast path" in text
    assert cpu.describe() in text


def test_integers_of_both_formats_are_the_same(made: Path, digits_images: str) -> None:
    preprocess = Preprocess.from_toml(made / "preprocess.toml")
    specs = input_specs(load(made / "fp32.onnx"))
    loader = open_loader(digits_images, specs, preprocess=preprocess, split="val", samples=IMAGES, seed=None)

    qoperator, own = (
        [pyq8.session(made / f"{name}.onnx").run(None, dict(batch.feeds))[0].tobytes() for batch in loader]
        for name in ("qoperator", "pyq8")
    )

    assert len(own) > 0
    assert qoperator == own
