"""The embedded network through all stages, as a user would run it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import pyq8
from pyq8.calibration.observers import OBSERVERS
from pyq8.loaders import Batch, open_loader
from pyq8.metrics.sqnr import sqnr
from pyq8.model.file import load
from pyq8.model.intake import input_specs


@pytest.fixture(scope="module")
def batches(digits_model: str, digits_images: str, digits_preprocess: str) -> list[Batch]:
    loader = open_loader(
        digits_images,
        input_specs(load(digits_model)),
        preprocess=pyq8.Preprocess.from_toml(digits_preprocess),
        split="calib",
        samples=None,
        seed=None,
    )
    return list(loader)


@pytest.fixture(scope="module")
def images(batches: list[Batch]) -> np.ndarray[Any, Any]:
    return np.concatenate([b.feeds["image"] for b in batches])


@pytest.fixture(scope="module")
def result(digits_model: str, images: np.ndarray[Any, Any]) -> pyq8.Result:
    return pyq8.quantize(digits_model, images)


def logits(path: Path, images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(pyq8.session(path).run(None, {"image": images})[0])


def test_every_convolution_runs_on_an_int8_kernel(result: pyq8.Result) -> None:
    kernels = result.report.kernels
    assert len(kernels.convolutions) == 21  # 19, and two average pools
    assert kernels.int8_convolutions == 21
    assert kernels.fast_convolutions == 20  # the stem has one input channel
    assert [r.reason for r in kernels.convolutions if not r.fast] == ["1 input channels are no multiple of 4"]
    assert not result.plan.float_nodes


def test_the_logits_are_close_to_fp32(result: pyq8.Result) -> None:
    assert result.report.accuracy is not None
    row = result.report.accuracy.find("sqnr")
    assert row is not None and row.value > 40
    assert result.report.layers is not None
    assert min(r.sqnr for r in result.report.layers.rows) > 25


def test_the_calibration_images_are_enough_and_two_of_them_are_not(
    digits_model: str, result: pyq8.Result, images: Any
) -> None:
    halves = result.report.halves
    assert halves is not None and halves.enough is True
    assert len(halves.rows) == 29 and sum(halves.samples) == 100
    few = pyq8.quantize(digits_model, images[:2]).report.halves
    assert few is not None and not few.enough


def test_both_formats_agree(tmp_path: Path, digits_model: str, result: pyq8.Result, images: Any) -> None:
    other = pyq8.quantize(digits_model, images, format="qoperator")
    result.save(tmp_path / "qdq.onnx")
    other.save(tmp_path / "qoperator.onnx")
    for name in ("qdq.onnx", "qoperator.onnx"):
        onnx.checker.check_model(tmp_path / name, full_check=True)
    assert sqnr(logits(tmp_path / "qdq.onnx", images), logits(tmp_path / "qoperator.onnx", images)) >= 40


@pytest.mark.usefixtures("every_core")
def test_the_same_bytes_whatever_the_order_and_the_batches(
    tmp_path: Path, digits_model: str, result: pyq8.Result, images: Any
) -> None:
    order = list(range(len(images)))
    random.Random(0).shuffle(order)
    shuffled = images[order]

    def uneven() -> Iterator[np.ndarray[Any, Any]]:
        for start in range(0, len(shuffled), 32):
            yield shuffled[start : start + 32]

    result.save(tmp_path / "a.onnx")
    again = pyq8.quantize(digits_model, uneven())
    again.save(tmp_path / "b.onnx")
    assert again.report.halves == result.report.halves
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize("observer", sorted(OBSERVERS))
def test_every_observer_makes_a_good_model(digits_model: str, images: Any, observer: str) -> None:
    report = pyq8.quantize(digits_model, images, observer=observer, effort="fast").report.accuracy
    assert report is not None
    row = report.find("sqnr")
    assert row is not None and row.value > 30


def test_names_metadata_and_interface_are_kept(tmp_path: Path, digits_model: str, result: pyq8.Result) -> None:
    result.save(tmp_path / "int8.onnx")
    before, after = onnx.load(digits_model), onnx.load(tmp_path / "int8.onnx")
    assert [i.name for i in before.graph.input] == [i.name for i in after.graph.input]
    assert [o.name for o in before.graph.output] == [o.name for o in after.graph.output]
    assert before.producer_name == after.producer_name
    remembered = {p.key: p.value for p in after.metadata_props}
    assert remembered["pyq8.samples"] == "100"
    assert remembered["pyq8.observer"] == result.config.observer
    assert remembered["pyq8.data_sha256"] == result.calibration.data_sha256


def test_an_excluded_node_stays_fp32_and_says_why(digits_model: str, images: Any) -> None:
    result = pyq8.quantize(digits_model, images, exclude=["/stem/*"])
    row = next(r for r in result.report.kernels.rows if r.node == "/stem/conv/Conv")
    assert not row.int8
    assert row.reason == "excluded by '/stem/*'"


def test_the_gate_passes_a_good_model_and_fails_a_damaged_one(
    tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str, result: pyq8.Result
) -> None:
    good, bad = tmp_path / "good.onnx", tmp_path / "bad.onnx"
    result.save(good)
    damaged = onnx.load(good)
    weight = next(t for t in damaged.graph.initializer if t.name.endswith("_quantized") and len(t.dims) == 4)
    array = onnx.numpy_helper.to_array(weight)
    weight.CopyFrom(onnx.numpy_helper.from_array(array[::-1].copy(), weight.name))
    onnx.save(damaged, bad)
    preprocess = pyq8.Preprocess.from_toml(digits_preprocess)
    assert pyq8.check(digits_model, good, digits_images, preprocess=preprocess).passed
    verdict = pyq8.check(digits_model, bad, digits_images, preprocess=preprocess)
    assert not verdict.passed and verdict.exit_code == 1
    assert "top1" in verdict.reasons[0]


def test_what_is_handed_on_round_trips_json(result: pyq8.Result) -> None:
    assert pyq8.Plan.from_json(result.plan.to_json()) == result.plan
    again = pyq8.Calibration.from_json(result.calibration.to_json())
    assert again.to_json() == result.calibration.to_json()


def test_a_preset_can_be_given_by_name(digits_model: str, digits_images: str) -> None:
    result = pyq8.quantize(digits_model, digits_images, preprocess="raw", samples=2)
    assert '"name": "raw"' in result.model.metadata_props["pyq8.preprocess"]


def test_the_gate_says_when_labels_do_not_fit_the_model(
    tmp_path: Path, digits_model: str, result: pyq8.Result, images: Any
) -> None:
    result.save(tmp_path / "q.onnx")
    answers = logits(tmp_path / "q.onnx", images)
    wrong = (answers.argmax(axis=1) + 1) % 10
    verdict = pyq8.check(digits_model, tmp_path / "q.onnx", {"image": images, "labels": wrong})
    assert any("labels or the preprocessing do not fit" in reason for reason in verdict.reasons)


def test_a_model_of_fixed_batch_size_takes_any_number_of_images(tmp_path: Path, digits_model: str, images: Any) -> None:
    fixed = onnx.load(digits_model)
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(fixed, tmp_path / "fixed.onnx")
    few = images[:6]
    one, four = pyq8.quantize(digits_model, few), pyq8.quantize(tmp_path / "fixed.onnx", few)
    assert four.calibration.samples == 6
    assert four.report.halves is not None and one.report.halves is not None
    assert four.report.halves.samples == one.report.halves.samples
    assert four.plan.qparams["image"] == one.plan.qparams["image"]
    assert pyq8.check(digits_model, digits_model, {"image": few}, metric="agreement").passed


@pytest.mark.parametrize("format", ["qdq", "qoperator"])
def test_a_model_for_vnni_runs_exactly_on_a_cpu_without(
    tmp_path: Path, digits_model: str, images: Any, format: str
) -> None:
    pyq8.quantize(digits_model, images[:20], target="vnni", format=format).save(tmp_path / "q.onnx")
    fast, exact = (pyq8.session(tmp_path / "q.onnx", exact=exact) for exact in (False, True))
    few = {"image": images[:8]}
    np.testing.assert_allclose(exact.run(None, few)[0], fast.run(None, few)[0], atol=1e-5)
