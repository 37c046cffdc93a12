"""What a user does with the embedded network, on whatever CPU this is; make test-avx2: one without VNNI."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.run import run

import pyq8
from pyq8 import cpu
from pyq8.loaders import Preprocess

pytestmark = pytest.mark.cpu
FEW = ("--samples", "8")


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str, digits_preprocess: str
) -> Path:
    """A model of `pyq8 quantize` for each format, and one of 8-bit weights made for VNNI."""
    folder = tmp_path_factory.mktemp("made")
    given = digits_model, "--calib", digits_images, "--preprocess", digits_preprocess, *FEW, "--effort", "fast"
    for name in ("qdq", "qoperator", "pyq8"):
        code, text, error = run("quantize", *given, "--format", name, "-o", str(folder / f"{name}.onnx"))
        assert code == 0, error
        assert "21/21 convolutions on INT8 kernels" in text
    assert run("quantize", *given, "--target", "vnni", "-o", str(folder / "vnni.onnx"))[0] == 0
    return folder


@pytest.mark.parametrize("name", ["qdq", "qoperator", "pyq8", "vnni"])
def test_the_gate_passes(made: Path, name: str, digits_model: str, digits_images: str) -> None:
    code, text, error = run("check", digits_model, str(made / f"{name}.onnx"), "--data", digits_images, "--samples", "16",
                            "--metric", "sqnr", "--min", "30", "--min-int8", "1")  # fmt: skip

    assert code == 0, text + error
    assert ("run as uint8" in text + error) is (name == "vnni" and cpu.cpu_class().saturates)


def test_inspect_names_the_fast_kernels(made: Path) -> None:
    code, text, _ = run("inspect", str(made / "qdq.onnx"))

    assert code == 0
    assert "21/21 convolutions on INT8 kernels, 20 on the fast path" in text
    assert cpu.describe() in text


def test_integers_of_both_formats_are_the_same(made: Path, digits_images: str, digits_preprocess: str) -> None:
    names, loader = ["qoperator", "pyq8"], _loader(digits_images, digits_preprocess)

    answers = [
        [pyq8.session(made / f"{name}.onnx").run(None, batch)[0].tobytes() for batch in loader] for name in names
    ]

    assert answers[0] == answers[1]


def _batches(images: str, preprocess: str) -> list[dict[str, object]]:
    from pyq8.inference import input_specs
    from pyq8.loaders import open_loader
    from pyq8.model import load

    specs = input_specs(load(Path(images).parent / "digits.onnx"))
    loader = open_loader(images, specs, preprocess=Preprocess.from_toml(preprocess), split="val", samples=8, seed=None)
    return [dict(batch.feeds) for batch in loader]
