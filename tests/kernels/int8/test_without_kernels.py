"""A machine without the compiled kernels is told, at load and before any work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import pyq8
from pyq8 import kernels
from pyq8.errors import ModelError, UsageError
from pyq8.kernels import library
from tests.cli.run import run

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
WHY = "no compiled kernels; install a C++17 compiler and reinstall pyq8"
NEEDS = f"made with --format pyq8, which needs pyq8's kernels: {WHY}"


@pytest.fixture(scope="module")
def saved(
    tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str, digits_preprocess: str
) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    code, _, error = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                         "--samples", "8", "--effort", "fast", "--format", "pyq8",
                         "--fallback", str(folder / "twin.onnx"), "-o", str(folder / "model.onnx"))  # fmt: skip
    assert code == 0, error
    return folder


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PYQ8_KERNELS", str(tmp_path))  # for the processes of bench
    monkeypatch.setattr(library, "load", lambda: (None, WHY))
    yield


def outputs(path: Path) -> list[float]:
    made = pyq8.session(path, spin=False)
    shape = [d if isinstance(d, int) else 1 for d in made.get_inputs()[0].shape]
    x = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    found: list[float] = made.run(None, {made.get_inputs()[0].name: x})[0].ravel().tolist()
    return found


@pytest.mark.usefixtures("nothing")
def test_the_fallback_runs_with_a_warning(saved: Path) -> None:
    with pytest.warns(UserWarning, match=r"model\.onnx: made with --format pyq8.*twin\.onnx runs in its place"):
        found = outputs(saved / "model.onnx")

    assert found == outputs(saved / "twin.onnx")


@pytest.mark.usefixtures("nothing")
@pytest.mark.parametrize(
    "command",
    ["bench {m} --rounds 1 --seconds 0", "bench {fp32} {m} --rounds 1 --seconds 0 --profile", "inspect {m}",
     "check {fp32} {m} --data {images}", "check {fp32} {m} --data {images} --workers 2",
     "report {fp32} {m} --data {images} -o {m}.html"],
)  # fmt: skip
def test_a_command_refuses_it(saved: Path, command: str, digits_model: str, digits_images: str) -> None:
    model = saved / "model.onnx"

    code, out, error = run(*command.format(m=model, fp32=digits_model, images=digits_images).split())

    assert (code, out) == (3, "")
    assert error.strip().splitlines() == [f"pyq8: {model}: {NEEDS}; or take its fallback {saved}/twin.onnx"]


@pytest.mark.usefixtures("nothing")
def test_without_a_fallback_the_line_says_what_to_do(saved: Path, tmp_path: Path) -> None:
    alone = tmp_path / "model.onnx"
    alone.write_bytes((saved / "model.onnx").read_bytes())

    with pytest.raises(
        ModelError, match=re.escape(f"{alone}: {NEEDS}; its fallback {tmp_path}/twin.onnx is not there")
    ):
        pyq8.session(alone)
    proto = onnx.load(alone)
    with pytest.raises(ModelError, match=re.escape(f"the model in memory: {NEEDS}; or take its fallback twin.onnx")):
        pyq8.session(proto.SerializeToString())
    del proto.metadata_props[:]
    onnx.save(proto, alone)
    with pytest.raises(ModelError, match=re.escape(f"{alone}: {NEEDS}; or quantize it with --fallback FILE")):
        pyq8.session(alone)
    with pytest.raises(ModelError, match="cannot be registered: no compiled kernels"):
        pyq8.register(onnxruntime.SessionOptions())


def test_what_onnx_runtime_says_is_in_the_documentation(saved: Path) -> None:
    page = Path("docs/how-to/pyq8-kernels.md").read_text(encoding="utf-8")

    with pytest.raises(Exception, match="not a registered") as raised:
        onnxruntime.InferenceSession(saved / "model.onnx")

    assert f"`Fatal error: {str(raised.value).partition('Fatal error: ')[2]}`" in page


@pytest.mark.usefixtures("nothing")
def test_the_format_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match=re.escape(f"format pyq8: {WHY}")):
        pyq8.quantize("no such model.onnx", "no such images", format="pyq8")


def test_a_fallback_of_another_format(digits_model: str) -> None:
    code, _, error = run("quantize", digits_model, "--calib", "nowhere", "--fallback", "twin.onnx")

    assert code == 2
    assert "--fallback twin.onnx: only --format pyq8 needs one" in error
