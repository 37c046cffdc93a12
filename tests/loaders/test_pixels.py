from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pyq8.errors import DataError
from pyq8.loaders import PRESETS, InputSpec, Preprocess
from pyq8.loaders.bound import bind

from .pictures import random_pixels, save_flat


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        # for the pixel R, G, B = 255, 127, 0, by hand
        ("imagenet", [(1 - 0.485) / 0.229, (127 / 255 - 0.456) / 0.224, -0.406 / 0.225]),
        ("inception", [1.0, -0.5 / 127.5, -1.0]),
        ("efficientnet-lite", [1.0, 0.0, -127 / 128]),
        ("caffe", [-103.939, 127 - 116.779, 255 - 123.68]),
        ("ssd", [255 - 123, 127 - 117, -104]),
        ("raw", [255, 127, 0]),
    ],
)
def test_preset_arithmetic(tmp_path: Path, preset: str, expected: list[float]) -> None:
    path = save_flat(tmp_path / "a.png", (255, 127, 0), size=(350, 360))

    sample = bind(PRESETS.get(preset), InputSpec("x", "float32", (None, 3, None, None)))(path)

    assert sample.dtype == np.float32
    assert sample.flags.c_contiguous
    np.testing.assert_allclose(sample[:, 0, 0], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(sample, np.broadcast_to(sample[:, :1, :1], sample.shape))


@pytest.mark.parametrize(
    ("preset", "size"),
    [("imagenet", 224), ("inception", 299), ("efficientnet-lite", 224), ("caffe", 224), ("ssd", 300)],
)
def test_preset_sizes(tmp_path: Path, preset: str, size: int) -> None:
    path = save_flat(tmp_path / "a.png", size=(400, 360))

    sample = bind(PRESETS.get(preset), InputSpec("x", "float32", (None, None, None, None)))(path)

    assert sample.shape == (3, size, size)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16"])
def test_raw_pixels_are_untouched(tmp_path: Path, dtype: str) -> None:
    pixels = random_pixels(5, 7)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    raw = PRESETS.get("raw")

    nchw = bind(raw, InputSpec("x", dtype, (None, 3, None, None)))(tmp_path / "a.png")
    nhwc = bind(raw, InputSpec("x", dtype, (None, None, None, 3)))(tmp_path / "a.png")

    assert nchw.dtype == nhwc.dtype == dtype
    assert nchw.flags.c_contiguous
    assert nhwc.flags.c_contiguous
    np.testing.assert_array_equal(nchw, pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(nhwc, pixels)


def test_layouts_differ_only_in_their_axes(tmp_path: Path) -> None:
    Image.fromarray(random_pixels(300, 260)).save(tmp_path / "a.png")
    imagenet = PRESETS.get("imagenet")

    nchw = bind(imagenet, InputSpec("x", "float32", (1, 3, 224, 224)))(tmp_path / "a.png")
    nhwc = bind(imagenet, InputSpec("x", "float32", (1, 224, 224, 3)))(tmp_path / "a.png")

    np.testing.assert_array_equal(nchw.transpose(1, 2, 0), nhwc)


def test_bgr_reverses_the_channels(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "a.png", (1, 2, 3))

    sample = bind(Preprocess("p", color="bgr"), InputSpec("x", "uint8", (None, 3, None, None)))(path)

    assert sample[:, 0, 0].tolist() == [3, 2, 1]


def test_a_model_of_one_channel_gets_luma(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "a.png", (200, 100, 50))

    sample = bind(PRESETS.get("raw"), InputSpec("x", "float32", (1, 1, 6, 8)))(path)

    assert sample.shape == (1, 6, 8)
    assert sample[0, 0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


def test_the_crop_is_the_center(tmp_path: Path) -> None:
    pixels = random_pixels(9, 12)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    sample = bind(Preprocess("p", crop=(5, 4)), InputSpec("x", "uint8", (None, None, None, 3)))(tmp_path / "a.png")

    np.testing.assert_array_equal(sample, pixels[2:7, 4:8])


def test_the_short_side_is_resized_and_the_aspect_kept(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "a.png", size=(100, 50))

    sample = bind(Preprocess("p", resize=25), InputSpec("x", "uint8", (None, 3, None, None)))(path)

    assert sample.shape == (3, 25, 50)


def test_resizing_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # without antialiasing a quarter of the size gives black or white
    Image.fromarray(stripes).save(tmp_path / "a.png")
    spec = InputSpec("x", "uint8", (None, 3, 16, 16))

    bilinear = bind(Preprocess("p"), spec)(tmp_path / "a.png")
    nearest = bind(Preprocess("p", interpolation="nearest"), spec)(tmp_path / "a.png")

    assert abs(int(bilinear[0, 8, 8]) - 127) < 20
    assert set(nearest.ravel().tolist()) <= {0, 255}


def test_stretching_maps_corners_to_corners(tmp_path: Path) -> None:
    quarters = np.zeros((40, 80, 3), np.uint8)
    quarters[20:, 40:] = 200
    Image.fromarray(quarters).save(tmp_path / "a.png")

    sample = bind(PRESETS.get("raw"), InputSpec("x", "uint8", (1, 3, 10, 10)))(tmp_path / "a.png")

    assert sample.shape == (3, 10, 10)
    assert sample[0, 9, 9] == 200
    assert sample[0, 0, 9] == sample[0, 9, 0] == sample[0, 0, 0] == 0


def test_an_image_smaller_than_the_crop_is_refused(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "small.png", size=(8, 6))

    with pytest.raises(DataError, match=r"small\.png: 8x6 pixels, smaller than the crop 7x7"):
        bind(Preprocess("p", crop=(7, 7)), InputSpec("x", "uint8", (None, 3, None, None)))(path)
