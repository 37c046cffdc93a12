from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.errors import DataError, UsageError
from pyq8.loaders import PRESETS, InputSpec, Preprocess, guess
from pyq8.loaders.bound import bind

floats = st.floats(-1e6, 1e6)
positive = st.floats(1e-3, 1e3)


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_round_trip_json(name: str) -> None:
    preset = PRESETS.get(name)

    assert preset.name == name
    assert Preprocess.from_json(json.loads(json.dumps(preset.to_json()))) == preset


@given(st.tuples(floats, floats, floats), st.tuples(positive, positive, positive), positive)
def test_any_numbers_round_trip_json(mean: tuple[float, ...], std: tuple[float, ...], scale: float) -> None:
    preprocess = Preprocess("p", mean=mean, std=std, scale=scale)

    assert Preprocess.from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess


def test_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown preset 'imagnet'; did you mean 'imagenet'"):
        PRESETS.get("imagnet")


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('color = "bgr"\nresize = 40\ncrop = [32, 24]\nmean = [1, 2, 3.5]\nscale = 0.5\n')

    preprocess = Preprocess.from_toml(path)

    assert preprocess == Preprocess("mine", color="bgr", resize=40, crop=(32, 24), mean=(1.0, 2.0, 3.5), scale=0.5)


def test_one_number_is_a_square_and_every_channel(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("stretch = 96\nmean = 127.5\nstd = 127.5\n")

    preprocess = Preprocess.from_toml(str(path))

    assert (preprocess.stretch, preprocess.mean, preprocess.std) == ((96, 96), (127.5,), (127.5,))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("meen = [1, 2, 3]", "unknown key 'meen'; did you mean 'mean'?"),
        ("quux = 1", "unknown key 'quux'; known: name, color"),
        ("resize = '256'", "resize is '256'; it must be a whole number"),
        ("resize = true", "resize is True; it must be a whole number"),
        ("crop = [224]", "crop is [224]; it must be [height, width]"),
        ("mean = ['a']", "mean is ['a']; it must be a list of numbers"),
        ("mean = []", "mean is []; it must be a list of numbers"),
        ("scale = [1]", "scale is [1]; it must be a number"),
        ("color = 'rbg'", "color is 'rbg'; it must be 'rgb', 'bgr' or 'gray'"),
        ("layout = 3", "layout is 3; it must be 'auto', 'nchw' or 'nhwc'"),
        ("color = ['rgb']", "color is ['rgb']; it must be 'rgb'"),
        ("std = [1, 0, 1]", "std (1.0, 0.0, 1.0) and scale 1.0 must be above 0"),
        ("mean = [1, 2]", "mean has 2 values for color 'rgb'"),
        ("mean = nan", "must be finite"),
        ("resize = 200\ncrop = 224", "crop (224, 224) does not fit into resize 200"),
        ("resize = 3\nstretch = 3", "resize excludes stretch; give one of resize, long_side"),
        ("stretch = 3\ncrop = 4", "crop (4, 4) does not fit into stretch (3, 3)"),
        ("letterbox = 8\ncrop = 4", "crop excludes letterbox"),
        ("max_width = 8", "max_width goes with height; add height"),
        ("height = 4\nmin_width = 9\nmax_width = 8", "min_width 9 is more than max_width 8"),
        ("fill = 'stretch'", "fill 'stretch' goes with multiple; add multiple"),
        ("letterbox = 8\npad_color = 300", "pixels are 0..255"),
        ("letterbox = 8\npad_color = [1, 2]", "pad_color has 2 values for color 'rgb'"),
        ("multiple = 0", "multiple is 0; pixels are counted from 1"),
        ("resize = 0", "resize is 0; pixels are counted from 1"),
        ("resize = ", "not valid TOML"),
    ],
)
def test_a_wrong_toml_file_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)

    with pytest.raises(DataError) as caught:
        Preprocess.from_toml(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_toml_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml: cannot be read \(No such file"):
        Preprocess.from_toml(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("dtype", "shape", "expected"),
    [
        ("uint8", (None, 3, 299, 299), "raw"),
        ("float32", (1, 3, 299, 299), "inception"),
        ("float32", (None, 299, 299, 3), "inception"),
        ("float32", (1, 3, 224, 224), "imagenet"),
        ("float32", (None, None, None, None), "imagenet"),
        ("float32", (None, 10), "imagenet"),
    ],
)
def test_guess(dtype: str, shape: tuple[int | None, ...], expected: str) -> None:
    assert guess(InputSpec("x", dtype, shape)).name == expected


def bound(preset: str, shape: tuple[int | None, ...], **changes: Any) -> Preprocess:
    preprocess = replace(PRESETS.get(preset), **changes)
    return bind(preprocess, InputSpec("x", changes.get("dtype", "float32"), shape)).preprocess


@pytest.mark.parametrize(
    ("preset", "shape", "resize", "crop", "stretch"),
    [
        ("imagenet", (1, 3, 224, 224), 256, (224, 224), None),
        ("imagenet", (1, 3, None, None), 256, (224, 224), None),
        ("imagenet", (1, 3, 299, 299), 342, (299, 299), None),  # 256 / 224 * 299 = 341.7
        ("imagenet", (1, 3, 448, 448), 512, (448, 448), None),
        ("imagenet", (1, 3, 112, 224), 256, (112, 224), None),
        ("imagenet", (1, 112, None, 3), 128, (112, 112), None),
        ("ssd", (1, 3, 512, 512), None, None, (512, 512)),
        ("raw", (1, 3, 20, 30), None, None, (20, 30)),
        ("raw", (1, 20, 30, 3), None, None, (20, 30)),
        ("raw", (1, 3, None, None), None, None, None),
    ],
)
def test_the_models_size_wins(
    preset: str, shape: tuple[int | None, ...], resize: int | None, crop: object, stretch: object
) -> None:
    preprocess = bound(preset, shape)

    assert (preprocess.resize, preprocess.crop, preprocess.stretch) == (resize, crop, stretch)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((None, 3, None, None), "nchw"),
        ((None, None, None, 3), "nhwc"),
        ((None, None, None, None), "nchw"),
        ((1, 3, 224, 224), "nchw"),
        ((1, 224, 224, 3), "nhwc"),
        ((1, 224, 224, None), "nhwc"),
        ((1, None, 224, 224), "nchw"),
        ((1, 1, 28, 28), "nchw"),
        ((1, 28, 28, 1), "nhwc"),
        ((1, 3, 224, 3), "nchw"),
    ],
)
def test_layout_is_read_off_the_shape(shape: tuple[int | None, ...], layout: str) -> None:
    assert bound("imagenet", shape).layout == layout


def test_one_channel_is_gray_with_the_mean_of_the_means() -> None:
    preprocess = bound("imagenet", (1, 1, 28, 28))

    assert preprocess.color == "gray"
    assert preprocess.mean == pytest.approx([(0.485 + 0.456 + 0.406) / 3])
    assert preprocess.std == pytest.approx([(0.229 + 0.224 + 0.225) / 3])


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("shape", [(1, 3, 320, 256), (None, 1, None, None), (1, 64, 64, 3)])
def test_binding_what_is_bound_changes_nothing(name: str, shape: tuple[int | None, ...]) -> None:
    spec = InputSpec("x", "float32", shape)
    once = bind(PRESETS.get(name), spec)

    assert bind(once.preprocess, spec) == once


@pytest.mark.parametrize(
    ("preprocess", "spec", "reason"),
    [
        (PRESETS.get("imagenet"), InputSpec("x", "uint8", (1, 3, 224, 224)), "takes uint8 pixels"),
        (PRESETS.get("imagenet"), InputSpec("x", "uint8", (1, 3, 224, 224)), "use --preset raw"),
        (PRESETS.get("raw"), InputSpec("x", "int64", (1, 3, 8, 8)), "neither floats nor uint8"),
        (PRESETS.get("raw"), InputSpec("x", "float32", (1, 10)), "takes no images"),
        (PRESETS.get("raw"), InputSpec("x", "float32", (1, 64, 8, 8)), "no axis of 1 or 3 channels"),
        (Preprocess("p", layout="nhwc"), InputSpec("x", "float32", (1, 3, 8, 8)), "layout 'nhwc'"),
        (Preprocess("p", color="gray"), InputSpec("x", "float32", (1, 3, 8, 8)), "gives gray; use rgb"),
        (Preprocess("p", resize=9), InputSpec("x", "float32", (1, 3, 8, 8)), "add a crop"),
    ],
)
def test_what_does_not_fit_is_refused(preprocess: Preprocess, spec: InputSpec, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        bind(preprocess, spec)

    assert reason in str(caught.value)
    assert "input 'x'" in str(caught.value)


def test_it_prints_well() -> None:
    assert str(PRESETS.get("raw")) == "raw: rgb, pixels as they are"
    assert str(PRESETS.get("caffe")) == (
        "caffe: bgr, short side 256, crop 224x224, (pixel * 1 - [103.939 116.779 123.68]) / [1]"
    )
    assert str(PRESETS.get("yolox")) == "yolox: bgr, letterbox 640x640, pad 114 at the end, pixels as they are"
    assert str(PRESETS.get("paddleocr-rec")) == (
        "paddleocr-rec: bgr, height 48, width from 320, width up to 3200, pad 127.5 at the end, "
        "(pixel * 0.00392157 - [0.5]) / [0.5]"
    )
