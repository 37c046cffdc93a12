"""Where pixels go; the sizes are those that the training code of each network gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pyq8.errors import DataError
from pyq8.loaders import PRESETS, InputSpec, Preprocess, open_loader
from pyq8.loaders.bound import bind
from pyq8.loaders.geometry import Size, place

from .pictures import random_pixels, save_flat

ANY = InputSpec("x", "float32", (None, 3, None, None))


@pytest.mark.parametrize(
    ("preset", "size", "scaled", "canvas", "at"),
    [
        ("yolo", (1280, 720), (640, 360), (640, 640), (0, 140)),
        ("yolo", (333, 500), (426, 640), (640, 640), (107, 0)),
        ("yolo", (100, 100), (640, 640), (640, 640), (0, 0)),  # small images grow, as for validation
        ("yolox", (1280, 720), (640, 360), (640, 640), (0, 0)),
        ("retinaface", (480, 640), (480, 640), (640, 640), (0, 0)),
        ("paddleocr-det", (1920, 1080), (960, 544), (960, 544), (0, 0)),  # 540 / 32 = 16.9
        ("paddleocr-det", (2000, 10), (960, 32), (960, 32), (0, 0)),
        ("paddleocr-rec", (100, 50), (96, 48), (320, 48), (0, 0)),
        ("paddleocr-rec", (101, 7), (693, 48), (693, 48), (0, 0)),  # 692.6, rounded up
        ("paddleocr-rec", (70000, 7), (3200, 48), (3200, 48), (0, 0)),
        ("ssd", (640, 480), (300, 300), (300, 300), (0, 0)),
    ],
)
def test_where_presets_put_an_image(preset: str, size: Size, scaled: Size, canvas: Size, at: Size) -> None:
    there = place(size, PRESETS.get(preset))

    assert (there.scaled, there.canvas, there.at) == (scaled, canvas, at)


@pytest.mark.parametrize(
    ("fields", "scaled", "canvas"),
    [
        ({"letterbox": (640, 640), "multiple": 32}, (640, 427), (640, 448)),  # no further than it must be
        ({"long_side": 200}, (200, 133), (200, 133)),
        ({"multiple": 64}, (300, 200), (320, 256)),
        ({"resize": 100, "multiple": 32}, (150, 100), (160, 128)),
        ({"resize": 100, "multiple": 32, "fill": "stretch"}, (160, 96), (160, 96)),
        ({"height": 32, "max_width": 40}, (40, 32), (40, 32)),
        ({"stretch": (50, 60), "crop": (40, 30)}, (60, 50), (30, 40)),
    ],
)
def test_fields_together(fields: dict[str, object], scaled: Size, canvas: Size) -> None:
    there = place((300, 200), Preprocess("p", **fields))  # type: ignore[arg-type]

    assert (there.scaled, there.canvas) == (scaled, canvas)


def test_padding_has_its_color_and_is_normalized(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "a.png", (255, 0, 51), size=(64, 32))
    yolo = replace(PRESETS.get("yolo"), letterbox=(64, 64))

    sample = bind(yolo, ANY)(path)

    assert sample.shape == (3, 64, 64)
    np.testing.assert_allclose(sample[:, :16], 114 / 255, rtol=1e-6)
    np.testing.assert_allclose(sample[:, 48:], 114 / 255, rtol=1e-6)
    np.testing.assert_allclose(sample[:, 16, 0], [1, 0, 0.2], rtol=1e-6)
    np.testing.assert_allclose(sample[:, 47, 63], [1, 0, 0.2], rtol=1e-6)


def test_a_short_line_of_text_is_padded_with_zeros_behind(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "a.png", (255, 255, 255), size=(96, 48))

    sample = bind(PRESETS.get("paddleocr-rec"), InputSpec("x", "float32", (1, 3, 48, None)))(path)

    assert sample.shape == (3, 48, 320)
    assert (sample[:, :, :96] == 1).all()
    assert (sample[:, :, 96:] == 0).all()


def test_colors_of_padding_are_in_the_order_of_the_channels(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "a.png", (1, 2, 3), size=(4, 2))
    preprocess = Preprocess("p", color="bgr", letterbox=(4, 4), pad_color=(30, 20, 10), pad_at="end")

    sample = bind(preprocess, InputSpec("x", "uint8", (1, 4, 4, 3)))(path)

    assert sample.dtype == np.uint8
    assert sample[0, 0].tolist() == [3, 2, 1]
    assert sample[3, 3].tolist() == [30, 20, 10]


def test_an_image_that_fits_is_not_resampled(tmp_path: Path) -> None:
    pixels = random_pixels(20, 30)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    preprocess = Preprocess("p", multiple=32, pad_at="end")

    sample = bind(preprocess, InputSpec("x", "uint8", (None, None, None, 3)))(tmp_path / "a.png")

    np.testing.assert_array_equal(sample[:20, :30], pixels)
    assert sample.shape == (32, 32, 3)
    assert not sample[20:].any()


@pytest.mark.parametrize(
    ("preset", "shape", "expected"),
    [
        ("yolo", (1, 3, 320, 416), {"letterbox": (320, 416), "multiple": None}),
        ("yolo", (1, 3, 320, None), {"letterbox": (320, 320)}),
        ("paddleocr-rec", (1, 3, 32, 100), {"height": 32, "min_width": 100, "max_width": 100}),
        ("paddleocr-rec", (1, 3, 32, None), {"height": 32, "min_width": 320, "max_width": 3200}),
        ("paddleocr-det", (1, 3, 640, 640), {"stretch": (640, 640), "long_side": None, "multiple": None}),
        ("imagenet", (1, 3, None, 112), {"crop": (112, 112), "resize": 128}),
        ("raw", (1, 3, 48, None), {"height": 48, "stretch": None}),
    ],
)
def test_the_models_size_wins(preset: str, shape: tuple[int | None, ...], expected: dict[str, object]) -> None:
    preprocess = bind(PRESETS.get(preset), InputSpec("x", "float32", shape)).preprocess

    assert {key: getattr(preprocess, key) for key in expected} == expected


@pytest.mark.parametrize("shape", [(1, 3, 48, None), (None, None, 640, 3)])
def test_an_open_side_is_not_guessed(tmp_path: Path, shape: tuple[int | None, ...]) -> None:
    save_flat(tmp_path / "a.png")

    with pytest.raises(DataError, match=r"open and fixes its (height|width) at .* --preset paddleocr-rec"):
        open_loader(tmp_path, [InputSpec("x", "float32", shape)], preprocess=None, split="", samples=None, seed=None)


def test_a_side_that_nothing_says_is_refused() -> None:
    with pytest.raises(DataError, match="leaves its width open, preprocessing 'p' does not say what it becomes"):
        bind(Preprocess("p", resize=64), InputSpec("x", "float32", (1, 3, 64, None)))
