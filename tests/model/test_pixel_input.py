"""`--input uint8`: the model takes pixels, and answers as the FP32 model does to the preprocessed image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import pyq8
from pyq8.errors import UsageError
from pyq8.loaders import PRESETS, Preprocess
from pyq8.loaders.bound import bind
from pyq8.loaders.datasets import dataset
from pyq8.loaders.pixels import to_input
from pyq8.model.file import load
from pyq8.model.intake import input_specs
from pyq8.model.pixel_input import COLORS, LAYOUTS, PixelInput, remembered_pixels, take_pixels
from pyq8.runtime.sessions import model_session
from tests.cli.run import run
from tests.small_models import parse

NCHW = "g (float[N, 3, 8, 6] x) => (float[N, 16, 8, 6] y) { y = Conv<pads = [1, 1, 1, 1]>(x, w) }"
NHWC = """g (float[N, 8, 6, 3] x) => (float[N, 16, 8, 6] y) {
    t = Transpose<perm = [0, 3, 1, 2]>(x)
    y = Conv<pads = [1, 1, 1, 1]>(t, w)
}"""
W = {"w": (16, 3, 3, 3)}
DIGITS = dataset("digits")


@pytest.mark.parametrize("preset", ["imagenet", "inception", "caffe", "ssd", "raw"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("text", [NCHW, NHWC], ids=["nchw", "nhwc"])
def test_the_graph_does_what_the_preprocessing_did(text: str, color: str, layout: str, preset: str) -> None:
    from PIL import Image

    # given a picture, and its pixels as the camera gives them
    model = parse(text, W)
    rgb = np.random.default_rng(0).integers(0, 256, (8, 6, 3)).astype(np.uint8)
    bound = bind(PRESETS.get(preset), input_specs(model)[0]).preprocess
    camera = rgb if color == "rgb" else rgb[:, :, ::-1]
    camera = camera if layout == "nhwc" else camera.transpose(2, 0, 1)

    # when both run
    pixels = PixelInput(PRESETS.get(preset), layout, color)  # type: ignore[arg-type]
    taking = take_pixels(model, pixels)
    (expected,) = model_session(model).run(None, {"x": to_input(Image.fromarray(rgb), bound, "float32")[None]})
    (found,) = model_session(taking).run(None, {"x": np.ascontiguousarray(camera)[None]})

    # then
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert input_specs(taking)[0].shape == ((None, 8, 6, 3) if layout == "nhwc" else (None, 3, 8, 6))
    assert PixelInput.from_json(pixels.to_json()) == pixels


def quantize(out: Path, *options: str) -> tuple[int, str, str]:
    return run(
        "quantize", str(DIGITS / "digits.onnx"), "--calib", str(DIGITS / "images"), "--samples", "20",
        "-o", str(out), *options,
    )  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_that_takes_pixels_is_as_accurate(tmp_path: Path, layout: str) -> None:
    # given
    out = tmp_path / "digits.int8.onnx"
    preprocess = str(DIGITS / "preprocess.toml")

    # when
    code, text, error = quantize(out, "--preprocess", preprocess, "--input", "uint8", "--layout", layout)
    assert (code, error) == (0, "")

    # then the file takes uint8, knows how, and no float reaches the first convolution
    model = load(out, quantized=True)
    spec = input_specs(model)[0]
    assert (spec.name, spec.dtype) == ("image", "uint8")
    assert spec.shape == ((None, 32, 32, 1) if layout == "nhwc" else (None, 1, 32, 32))
    remembered = remembered_pixels(model)
    assert remembered is not None and remembered.layout == layout
    assert all(row.int8 for row in pyq8.inspect(out).rows)

    # and the gate compares it with the FP32 model, which takes floats
    for again in ([], ["--preprocess", preprocess]):
        code, text, error = run(
            "check", str(DIGITS / "digits.onnx"), str(out), "--data", str(DIGITS / "images"), *again
        )
        assert (code, error) == (0, "")
        assert "top1 FP32 100, INT8 100" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "uint8"], "say which, with --preset or --preprocess"),
        (["--input", "int8"], "option --input: 'int8' is not one of float, uint8"),
        (["--layout", "nchw"], "add --input uint8"),
        (["--color", "bgr"], "add --input uint8"),
        (["--input", "uint8", "--preset", "raw", "--layout", "hwc"], "option --layout: 'hwc' is not one of nhwc, nchw"),
        (["--input", "uint8", "--preset", "raw", "--color", "gray"], "option --color: 'gray' is not one of rgb, bgr"),
    ],
)
def test_wrong_options_are_one_line(tmp_path: Path, options: list[str], message: str) -> None:
    out = tmp_path / "out.onnx"
    code, _, error = quantize(out, *options)
    assert code == 2
    assert message in error and error.count("\n") == 1
    assert not out.exists()


def test_a_model_that_takes_pixels_already_is_refused() -> None:
    text = "g (uint8[N, 3, 8, 6] x) => (float[N, 16, 6, 4] y) { f = Cast<to = 1>(x) y = Conv(f, w) }"
    model = parse(text, W)
    with pytest.raises(UsageError, match="uint8"):
        take_pixels(model, PixelInput(Preprocess("raw")))


def test_from_python(tmp_path: Path) -> None:
    # arrays must then be pixels
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 1)).astype(np.uint8)
    preprocess = Preprocess.from_toml(DIGITS / "preprocess.toml")
    result = pyq8.quantize(DIGITS / "digits.onnx", [images], preprocess=preprocess, input="uint8")
    halves = result.report.halves
    assert halves is not None and len(halves.rows) == 28  # pixels need no range
    out = tmp_path / "out.onnx"
    result.save(out)
    assert onnx.load(out).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    found = pyq8.session(str(out)).run(None, {"image": images})[0]
    assert found.shape == (8, 10)


def test_arrays_of_pixels_and_a_preset(tmp_path: Path) -> None:
    data = tmp_path / "pixels.npz"
    np.savez(data, image=np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype(np.uint8))
    options = ["--preprocess", str(DIGITS / "preprocess.toml"), "--input", "uint8", "-o", str(tmp_path / "out.onnx")]
    code, _, error = run("quantize", str(DIGITS / "digits.onnx"), "--calib", str(data), *options)
    assert (code, error) == (0, "")


def test_a_normalization_that_cannot_be_folded_is_said(tmp_path: Path) -> None:
    text = """g (float[N, 3, 8, 6] x) => (float[N, 16, 1, 1] y) {
        a = Conv<pads = [1, 1, 1, 1]>(x, w) p = GlobalAveragePool(a)
        m = GlobalAveragePool(x) c = Conv(m, u) y = Add(p, c)
    }"""
    model, images = tmp_path / "m.onnx", tmp_path / "i.npy"
    ir.save(parse(text, {**W, "u": (16, 3, 1, 1)}), model)
    np.save(images, np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3)).astype(np.uint8))
    options = ["--preset", "imagenet", "--input", "uint8", "-o", str(tmp_path / "o.onnx")]
    code, _, error = run("quantize", str(model), "--calib", str(images), *options)
    assert code == 0
    assert "warning: normalization stays FP32" in error and "has not one reader" in error
