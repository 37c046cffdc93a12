"""What a stopwatch can start: ONNX Runtime, and OpenVINO where it is installed."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from pyq8.bench import speed
from pyq8.bench.inputs import make_inputs
from pyq8.bench.runners import OnnxRunner, open_runner
from pyq8.bench.speed import time_models
from pyq8.errors import ModelError

from . import fake_openvino


def identity(folder: Path, kind: str) -> str:
    text = f'<ir_version: 8, opset_import: ["": 17]> g ({kind} x) => ({kind} y) {{ y = Identity (x) }}'
    path = folder / "m.onnx"
    path.write_bytes(onnx.parser.parse_model(text).SerializeToString())
    return str(path)


@pytest.mark.parametrize("kind", ["float", "float16", "double", "bool", "int8", "int32", "int64", "uint8"])
def test_every_common_type_is_fed(tmp_path: Path, kind: str) -> None:
    runner = OnnxRunner(identity(tmp_path, f"{kind}[N, 4]"), 1)
    inputs = make_inputs(runner.specs, 3)
    assert runner.specs[0].shape == (None, 4)
    assert runner.session.run(None, inputs)[0].shape == (3, 4)


def test_a_string_is_not(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="give real inputs"):
        make_inputs(OnnxRunner(identity(tmp_path, "string[N]"), 1).specs, 1)


def test_an_openvino_model_is_reshaped_to_any_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_openvino.install(tmp_path, monkeypatch)

    runner = open_runner(str(tmp_path / "m.xml"), 2)

    assert runner.runtime == ("openvino", "2099.1.0")
    inputs = make_inputs(runner.specs, 4, (8, 6))
    assert inputs["image"].shape == (4, 3, 8, 6) and inputs["image"].dtype == np.float32
    runner.prepare(inputs)
    runner.run()


def test_openvino_models_are_timed_beside_onnx_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_openvino.install(tmp_path, monkeypatch)
    (tmp_path / "m.xml").touch()
    onnx_model = identity(tmp_path, "float[N, 3, 8, 8]")

    report = time_models(
        [onnx_model, tmp_path / "m.xml"], batch=2, threads=1, rounds=1, seconds=0, size=(8, 8), profile=True
    )

    assert report.versions["openvino"] == "2099.1.0"
    assert [(row.gops, row.int8_peak_share) for row in report.rows] == [(0, 0), (None, None)]
    assert report.rows[1].p50_ms > 0 and report.rows[1].load_ms > 0
    assert [profile.path for profile in report.profiles] == [onnx_model]
    line = next(line for line in str(report).splitlines() if "m.xml" in line)
    assert re.search(r"\] +- ", line)


@pytest.mark.parametrize(
    ("name", "batch", "said"),
    [("broken.xml", 1, "openvino cannot load it: Unable to read the model"), ("m.xml", 16, "cannot be reshaped")],
)
def test_openvino_fails_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, batch: int, said: str
) -> None:
    fake_openvino.install(tmp_path, monkeypatch)
    (tmp_path / name).touch()
    with pytest.raises(ModelError) as caught:
        time_models([tmp_path / name], batch=batch, rounds=1, seconds=0, size=(8, 8))
    assert name in str(caught.value) and said in str(caught.value) and "\n" not in str(caught.value)


def test_without_openvino_its_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(speed, "find_spec", lambda _: None)
    (tmp_path / "m.xml").touch()
    with pytest.raises(ModelError, match=r"m\.xml: an OpenVINO model.*pip install openvino"):
        time_models([tmp_path / "m.xml"])
