"""Models that load, and fail on the data: one line that says on what, wherever they are run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import pyq8
from pyq8.errors import ModelError
from pyq8.runtime.sessions import run
from pyq8.tuning.tune import tune

from .cli.run import run as command
from .small_models import parse

WEIGHTS = {"w": (16, 3, 3, 3), "flat": (16 * 36, 10), "mean": (16, 10)}
CONV = "a = Conv<pads = [1, 1, 1, 1]>(x, w) r = Relu(a)"
OF_12 = f"{CONV} m = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r) f = Flatten(m) y = Gemm(f, flat)"
OF_ANY = f"{CONV} m = GlobalAveragePool(r) f = Flatten(m) y = Gemm(f, mean)"


def images(size: int, count: int = 24) -> Any:
    return np.random.default_rng(size).standard_normal((count, 3, size, size)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """flat.onnx, which takes 12 x 12 pixels and declares any; flat.int8.onnx; images of 12 and of 16 pixels."""
    monkeypatch.chdir(tmp_path)
    for name, body in (("flat", OF_12), ("any", OF_ANY)):
        model = parse(f"g (float[N, 3, H, W] x) => (float[N, K] y) {{ {body} }}", WEIGHTS)
        onnx.save(ir.to_proto(model), f"{name}.onnx")
    for size in (12, 16):
        np.savez(f"{size}.npz", x=images(size))
    pyq8.quantize("flat.onnx", images(12)).save("flat.int8.onnx")
    return tmp_path


LINE = "the FP32 model does not run on x (1, 3, 16, 16): Non-zero status code returned while running Gemm node"


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "line",
    [
        "quantize flat.onnx --calib 16.npz -o new.onnx",
        "quantize flat.onnx --calib 16.npz -o new.onnx --effort fast",
        "quantize flat.onnx --calib 16.npz -o new.onnx --workers 1",
        "check flat.onnx flat.int8.onnx --data 16.npz",
        "inspect flat.onnx --data 16.npz",
        "tune flat.onnx --calib 16.npz --data 16.npz --min 20 --metric sqnr -o new.onnx",
        "tune flat.onnx --calib 12.npz --data 16.npz --min 20 --metric sqnr -o best.onnx",  # which is kept
        "report flat.onnx flat.int8.onnx --data 16.npz -o new.html",
    ],
)
def test_every_command_says_it_in_one_line(folder: Path, line: str) -> None:
    code, _, err = command(*line.split())

    assert code == 3
    assert err.count("\n") == 1 and err.startswith(f"pyq8: {LINE}")
    assert not list(folder.glob("new.*"))


@pytest.mark.usefixtures("folder")
def test_bench_says_it_too() -> None:
    code, _, err = command("bench", "flat.onnx", "--size", "16x16", "--rounds", "1", "--seconds", "0")

    assert code == 3
    assert err.count("\n") == 1 and "flat.onnx: does not run on x (1, 3, 16, 16): " in err


@pytest.mark.parametrize(
    "call",
    [
        lambda: pyq8.quantize("flat.onnx", [*np.split(images(12, 2), 2), images(16, 1)]),  # the third alone fails
        lambda: pyq8.check("flat.onnx", "flat.int8.onnx", images(16)),
        lambda: pyq8.rank_layers("flat.onnx", images(16)),
        lambda: tune("flat.onnx", images(12), images(16), "best.onnx", metric="sqnr", minimum=20),
    ],
)
@pytest.mark.usefixtures("folder", "hasty")
def test_so_does_every_function(call: Callable[[], object]) -> None:
    with pytest.raises(ModelError) as caught:
        call()

    assert str(caught.value).startswith(LINE) and "\n" not in str(caught.value)


@pytest.mark.usefixtures("folder")
def test_the_model_that_fails_is_named() -> None:
    with pytest.raises(ModelError, match=r"^the INT8 model does not run on x \(1, 3, 16, 16\): "):
        pyq8.check("any.onnx", "flat.int8.onnx", images(16))


def test_out_of_memory_stays_what_it_is() -> None:
    class Full:
        def run(self, *_: object) -> None:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(Full(), ["y"], {})
