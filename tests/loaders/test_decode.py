from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pyq8.errors import DataError
from pyq8.loaders.decode import decode

from .pictures import random_pixels, save_flat


def test_rgb_pixels_come_back_exactly(tmp_path: Path) -> None:
    pixels = random_pixels(5, 7)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    image = decode(tmp_path / "a.png")

    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda stored: stored),
        (2, np.fliplr),
        (3, lambda stored: np.rot90(stored, 2)),
        (6, lambda stored: np.rot90(stored, -1)),
        (8, lambda stored: np.rot90(stored, 1)),
    ],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, upright: object) -> None:
    stored = random_pixels(4, 6)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)

    image = decode(tmp_path / "a.png")

    np.testing.assert_array_equal(np.asarray(image), upright(stored))  # type: ignore[operator]


def test_exif_orientation_of_a_jpeg(tmp_path: Path) -> None:
    stored = np.zeros((32, 64, 3), np.uint8)
    stored[:, 32:] = 255  # right half white; turned clockwise the lower half is
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=95)

    upright = np.asarray(decode(tmp_path / "a.jpg"))

    assert upright.shape == (64, 32, 3)
    assert upright[:31].max() < 30
    assert upright[33:].min() > 225


def test_gray_becomes_three_equal_channels(tmp_path: Path) -> None:
    pixels = random_pixels(5, 7, channels=1)
    Image.fromarray(pixels).save(tmp_path / "a.png")

    np.testing.assert_array_equal(np.asarray(decode(tmp_path / "a.png")), np.stack([pixels] * 3, axis=2))
    np.testing.assert_array_equal(np.asarray(decode(tmp_path / "a.png", gray=True)), pixels)


def test_16_bit_keeps_the_upper_8(tmp_path: Path) -> None:
    deep = np.array([[0, 255, 256], [0x1234, 0x8000, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")

    image = np.asarray(decode(tmp_path / "a.png"))

    np.testing.assert_array_equal(image[:, :, 0], [[0, 0, 1], [0x12, 0x80, 255]])
    assert image.shape == (2, 3, 3)


def test_alpha_is_dropped_not_composited(tmp_path: Path) -> None:
    pixels = random_pixels(4, 4, channels=4)
    Image.fromarray(pixels).save(tmp_path / "rgba.png")
    Image.fromarray(pixels[:, :, :2].copy()).save(tmp_path / "la.png")

    np.testing.assert_array_equal(np.asarray(decode(tmp_path / "rgba.png")), pixels[:, :, :3])
    np.testing.assert_array_equal(np.asarray(decode(tmp_path / "la.png"))[:, :, 2], pixels[:, :, 0])


@pytest.mark.parametrize("transparency", [None, 0, bytes([0, 128])])
def test_palette_becomes_its_colors(tmp_path: Path, transparency: int | bytes | None) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([250, 0, 0, 0, 0, 250])
    image.putpixel((1, 0), 1)
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "a.png", **options)  # type: ignore[arg-type]

    assert np.asarray(decode(tmp_path / "a.png")).tolist() == [[[250, 0, 0], [0, 0, 250]]]


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)

    red, green, blue = np.asarray(decode(tmp_path / "a.jpg"))[8, 8]

    assert red > 250
    assert green < 5
    assert blue < 5


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png")

    assert np.asarray(decode(tmp_path / "a.png")).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def _truncated_jpeg(path: Path) -> None:
    Image.fromarray(random_pixels(64, 64)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:-500])


def _truncated_png(path: Path) -> None:
    Image.fromarray(random_pixels(64, 64)).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:1000])


def _corrupt_png(path: Path) -> None:
    save_flat(path, size=(64, 64))
    data = bytearray(path.read_bytes())
    data[50:60] = bytes(10)
    path.write_bytes(data)


def _float_tiff(path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(path, "TIFF")


@pytest.mark.parametrize(
    "break_file",
    [
        _truncated_jpeg,
        _truncated_png,
        _corrupt_png,
        _float_tiff,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("<html>404</html>"),
        lambda _path: None,  # does not exist
    ],
)
def test_unreadable_file_is_named_in_one_line(tmp_path: Path, break_file: object) -> None:
    path = tmp_path / "broken.jpg"
    break_file(path)  # type: ignore[operator]

    with pytest.raises(DataError) as caught:
        decode(path)

    message = str(caught.value)
    assert message.startswith(f"{path}: not a readable image (")
    assert "--skip-bad" in message
    assert "\n" not in message
