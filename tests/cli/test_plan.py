"""`pyq8 quantize --save-plan` and `--plan`: the plan is a file that can be edited and replayed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

import pyq8
from pyq8.model.file import load
from pyq8.plan.file import read_plan
from tests.cli.run import run


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str,
          digits_preprocess: str) -> Path:  # fmt: skip
    """A folder with int8.onnx and the plan that it was made by."""
    folder = tmp_path_factory.mktemp("plan")
    code, _, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess, "--samples",
                     "8", "-o", str(folder / "int8.onnx"), "--save-plan", str(folder / "plan.json"))  # fmt: skip
    assert code == 0
    return folder


def replayed(model: str, plan: Path, out: Path, *more: str) -> tuple[int, str, str]:
    return run("quantize", model, "--plan", str(plan), "-o", str(out), *more)


def test_replaying_gives_the_same_bytes_without_images(saved: Path, tmp_path: Path, digits_model: str) -> None:
    again = str(tmp_path / "again.json")

    code, text, error = replayed(digits_model, saved / "plan.json", tmp_path / "o.onnx", "--save-plan", again)

    assert (code, error) == (0, "")
    assert (tmp_path / "o.onnx").read_bytes() == (saved / "int8.onnx").read_bytes()
    assert Path(again).read_bytes() == (saved / "plan.json").read_bytes()
    assert f"replayed    {saved / 'plan.json'}, of 8 images, observer percentile" in text
    assert "21/21 convolutions on INT8 kernels" in text
    assert "SQNR" not in text and "worst" not in text
    assert "--data IMAGES" in text


@pytest.mark.parametrize("options", [
    {"format": "qoperator", "observer": "minmax", "target": "avx2", "bias_correction": False, "placement": "all"},
    {"input": "uint8", "exclude": ("/stem*",)},
])  # fmt: skip
def test_the_same_bytes_whatever_was_asked_for(
    tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str, options: dict[str, object]
) -> None:
    preprocess = pyq8.Preprocess.from_toml(digits_preprocess)
    result = pyq8.quantize(digits_model, digits_images, preprocess=preprocess, samples=3, **options)  # type: ignore[arg-type]
    result.save(tmp_path / "a.onnx")
    result.save_plan(tmp_path / "a.json")

    again = pyq8.replay(digits_model, tmp_path / "a.json")
    again.save(tmp_path / "b.onnx")

    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert again.plan == result.plan
    assert again.to_json()["observer"] == result.to_json()["observer"]
    assert (again.report.accuracy, again.report.layers) == (None, None)


def test_integers_that_are_not_the_nearest_are_kept(tmp_path: Path, saved: Path, digits_model: str) -> None:
    file = read_plan(saved / "plan.json")
    name = next(n for n, q in file.plan.qparams.items() if q.axis == 0)
    first = pyq8.replay(digits_model, saved / "plan.json")
    weight = first.prepared.graph.initializers[name].const_value
    assert weight is not None
    codes = np.full(weight.numpy().shape, 7, np.int8)
    replace(file, plan=replace(file.plan, codes={**file.plan.codes, name: codes})).save(tmp_path / "plan.json")

    result = pyq8.replay(digits_model, tmp_path / "plan.json")

    quantized = result.model.graph.initializers[f"{name}_quantized"].const_value
    assert quantized is not None
    np.testing.assert_array_equal(quantized.numpy(), codes)


def test_an_edited_plan_and_exclude_on_top(
    saved: Path, tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    plan = tmp_path / "plan.json"
    lines = (saved / "plan.json").read_text().splitlines(keepends=True)
    plan.write_text("".join(line for line in lines if line != '  "/stem/conv/Conv",\n'))

    options = ("--exclude", "/down/*", "--calib", digits_images, "--json", str(tmp_path / "o.json"))
    code, text, error = replayed(digits_model, plan, tmp_path / "o.onnx", *options)

    assert (code, error) == (0, "")  # the preprocessing is remembered
    assert "1 FP32: not among the INT8 nodes of the plan file" in text
    assert "FP32: excluded by '/down/*'" in text
    assert "SQNR on 16 images: logits" in text
    data = json.loads((tmp_path / "o.json").read_text())
    assert {"/stem/conv/Conv", "/down/conv/Conv"} <= data["plan"]["float_nodes"].keys()
    assert data["report"]["accuracy"]["samples"] == 16
    excluded = pyq8.quantize(digits_model, digits_images, samples=8, exclude=("/stem/conv/Conv", "/down/*"),
                             preprocess=pyq8.Preprocess.from_toml(digits_preprocess))  # fmt: skip
    edited = pyq8.replay(digits_model, plan, exclude=("/down/*",)).plan
    assert edited.int8_nodes == excluded.plan.int8_nodes == tuple(data["plan"]["int8_nodes"])
    assert edited.qparams == excluded.plan.qparams


def test_a_format_can_be_chosen_anew(saved: Path, tmp_path: Path, digits_model: str) -> None:
    code, _, _ = replayed(digits_model, saved / "plan.json", tmp_path / "o.onnx", "--format", "qoperator")

    assert code == 0
    operators = {node.op_type for node in load(tmp_path / "o.onnx", quantized=True).graph}
    assert "QLinearConv" in operators


@pytest.mark.parametrize("option", [
    ("--observer", "minmax"), ("--target", "avx2"), ("--placement", "all"), ("--samples", "3"), ("--input", "uint8"),
])  # fmt: skip
def test_what_the_plan_has_decided(saved: Path, tmp_path: Path, digits_model: str, option: tuple[str, str]) -> None:
    code, _, error = replayed(digits_model, saved / "plan.json", tmp_path / "o.onnx", *option)

    assert (code, error) == (2, f"pyq8: {option[0]} and --plan: the plan has decided that; leave it out\n")


@pytest.mark.parametrize("option", [("--preset", "raw"), ("--preprocess", "PREPROCESS"), ("--split", "val"),
                                    ("--seed", "1"), ("--skip-bad",)])  # fmt: skip
def test_options_of_images_without_images(
    saved: Path, tmp_path: Path, digits_model: str, digits_preprocess: str, option: tuple[str, ...]
) -> None:
    given = [digits_preprocess if o == "PREPROCESS" else o for o in option]
    code, _, error = replayed(digits_model, saved / "plan.json", tmp_path / "o.onnx", *given)

    assert (code, error) == (2, f"pyq8: {option[0]} and --plan: there are no images without --calib; leave it out\n")


def test_neither_images_nor_a_plan(digits_model: str, tmp_path: Path) -> None:
    code, _, error = run("quantize", digits_model, "-o", str(tmp_path / "o.onnx"))

    assert (code, error) == (2, "pyq8: --calib is missing: give images to calibrate on, or --plan FILE\n")


def test_a_plan_of_another_model_writes_nothing(saved: Path, tmp_path: Path) -> None:
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 17]>
        g (float[1, 8, 4, 4] x) => (float[N, C, H, W] y) { y = Conv(x, w) }""")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((16, 8, 1, 1), np.float32), "w"))
    onnx.save(proto, tmp_path / "m.onnx")

    code, _, error = replayed(str(tmp_path / "m.onnx"), saved / "plan.json", tmp_path / "o.onnx")

    assert code == 3
    assert error.startswith(f"pyq8: {saved / 'plan.json'}: a plan of another model, or ") and error.count("\n") == 1
    assert not (tmp_path / "o.onnx").exists()


@pytest.mark.parametrize(("old", "new"), [
    ('"pyq8.observer"', '"observer"'),
    ('"format": "qdq"', '"format": "qdp"'), ('"pyq8.samples": "8"', '"pyq8.samples": ""'),
    ('"pyq8.preprocess": "{', '"pyq8.preprocess": "['),
])  # fmt: skip
def test_what_is_not_meant_to_be_edited(saved: Path, tmp_path: Path, digits_model: str, old: str, new: str) -> None:
    plan, text = tmp_path / "plan.json", (saved / "plan.json").read_text()
    assert old in text
    plan.write_text(text.replace(old, new))

    code, _, error = replayed(digits_model, plan, tmp_path / "o.onnx")

    assert (code, error) == (
        3, f"pyq8: {plan}: metadata or format were changed; write the plan again with --save-plan\n"
    )  # fmt: skip


def test_nothing_left(saved: Path, tmp_path: Path, digits_model: str) -> None:
    code, _, error = replayed(digits_model, saved / "plan.json", tmp_path / "o.onnx", "--exclude", "*")

    assert code == 2
    assert "no node is left in INT8" in error and error.count("\n") == 1


def test_a_plan_cannot_overwrite_the_model(digits_model: str, digits_images: str, tmp_path: Path) -> None:
    model, out = shutil.copy(digits_model, tmp_path / "m.onnx"), str(tmp_path / "o.onnx")
    for taken in (model, out):
        code, _, error = run("quantize", str(model), "--calib", digits_images, "-o", out, "--save-plan", str(taken))

        assert code == 2 and "would overwrite the model" in error


def test_images_are_preprocessed_as_the_plan_remembers(
    saved: Path, tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    file, plan = read_plan(saved / "plan.json"), tmp_path / "plan.json"
    wrong = replace(pyq8.Preprocess.from_toml(digits_preprocess), mean=(-50.0,))
    replace(file, metadata={**file.metadata, "pyq8.preprocess": json.dumps(wrong.to_json())}).save(plan)

    remembered, told = (
        pyq8.replay(digits_model, plan, digits_images, preprocess=preprocess).report.accuracy
        for preprocess in (None, wrong)
    )
    right = pyq8.replay(digits_model, saved / "plan.json", digits_images).report.accuracy

    assert remembered == told != right
