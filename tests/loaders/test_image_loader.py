from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pyq8.errors import DataError, UsageError
from pyq8.loaders import PRESETS, InputSpec, open_loader
from pyq8.loaders.bound import BoundPreprocess
from pyq8.types import Array

from .pictures import FLOAT_SPEC, RAW_SPEC, names, open_images, save_flat


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """Ten images; image i has the red value i."""
    for i in range(10):
        save_flat(tmp_path / f"{i}.png", (i, 0, 0))
    return tmp_path


def test_batches_hold_the_images_in_order(ten: Path) -> None:
    batches = list(open_images(ten, batch_size=4))

    assert [batch.feeds["x"].shape for batch in batches] == [(4, 3, 6, 8), (4, 3, 6, 8), (2, 3, 6, 8)]
    assert [int(x[0, 0, 0]) for batch in batches for x in batch.feeds["x"]] == list(range(10))
    assert all(batch.feeds["x"].flags.c_contiguous for batch in batches)


def test_it_can_be_iterated_again(ten: Path) -> None:
    loader = open_images(ten, batch_size=3)

    assert names(loader) == names(loader) == [f"{i}.png" for i in range(10)]


def test_samples_takes_the_first_ones(ten: Path) -> None:
    loader = open_images(ten, samples=3)

    assert loader.total == 3
    assert names(loader) == ["0.png", "1.png", "2.png"]


def test_more_samples_than_there_are_takes_all(ten: Path) -> None:
    loader = open_images(ten, samples=99, seed=1)

    assert loader.total == 10
    assert len(names(loader)) == 10


def test_a_seed_draws_in_the_original_order_and_repeatably(ten: Path) -> None:
    draws = [names(open_images(ten, samples=5, seed=seed)) for seed in (0, 0, 1, 2)]

    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) > 1
    assert all(draw == sorted(set(draw)) and len(draw) == 5 for draw in draws)


def test_images_of_other_sizes_cut_the_batch(tmp_path: Path) -> None:
    for i, size in enumerate([(8, 6), (8, 6), (5, 5), (8, 6), (8, 6), (8, 6)]):
        save_flat(tmp_path / f"{i}.png", size=size)

    batches = list(open_images(tmp_path, preprocess=PRESETS.get("raw"), batch_size=2))

    assert [batch.names for batch in batches] == [
        ("0.png", "1.png"),
        ("2.png",),
        ("3.png", "4.png"),
        ("5.png",),
    ]


def test_a_bad_image_is_named(ten: Path) -> None:
    (ten / "4.png").write_bytes(b"broken")

    with pytest.raises(DataError, match=r"4\.png: not a readable image .*--skip-bad"):
        list(open_images(ten))


def test_a_bad_image_is_skipped_and_listed_when_asked(ten: Path) -> None:
    (ten / "4.png").write_bytes(b"broken")
    loader = open_images(ten, batch_size=4, skip_bad=True)

    for _ in range(2):  # the list is that of the last iteration
        assert names(loader) == [f"{i}.png" for i in range(10) if i != 4]
        assert loader.skipped == ["4.png"]


def test_only_bad_images_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"broken")

    with pytest.raises(DataError, match="none of 1 images can be read"):
        list(open_images(tmp_path, skip_bad=True))


def test_the_last_batch_of_a_model_with_a_fixed_batch_may_be_short(ten: Path) -> None:
    loader = open_images(ten, InputSpec("x", "uint8", (4, 3, None, None)), batch_size=1)

    assert [len(batch) for batch in loader] == [4, 4, 2]
    assert loader.skipped == []


def test_the_bound_preprocessing_is_told(ten: Path) -> None:
    given = open_images(ten, FLOAT_SPEC, preprocess=PRESETS.get("inception")).preprocess
    guessed = open_images(ten, RAW_SPEC).preprocess

    assert given is not None
    assert guessed is not None
    assert (given.preprocess.name, given.preprocess.crop) == ("inception", (224, 224))
    assert guessed.preprocess.name == "raw"


def test_images_cannot_feed_several_inputs(ten: Path) -> None:
    specs = [FLOAT_SPEC, InputSpec("size", "int64", (None, 2))]

    with pytest.raises(DataError, match=r"images cannot feed 2 inputs .*'size'.*give arrays as \.npz"):
        open_loader(ten, specs, preprocess=None, split="calib", samples=None, seed=None)


@pytest.mark.parametrize(("samples", "batch_size"), [(0, 1), (-1, 1), (None, 0)])
def test_counts_below_one_are_wrong_usage(ten: Path, samples: int | None, batch_size: int) -> None:
    with pytest.raises(UsageError, match="count from 1"):
        open_images(ten, samples=samples, batch_size=batch_size)


def test_decoding_runs_ahead_but_not_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(40):
        save_flat(tmp_path / f"{i:02}.png")
    decoded: list[str] = []
    call = BoundPreprocess.__call__

    def count(self: BoundPreprocess, path: Path) -> Array:
        decoded.append(threading.current_thread().name)
        return call(self, path)

    monkeypatch.setattr(BoundPreprocess, "__call__", count)
    batches = iter(open_images(tmp_path))
    for _ in range(5):
        next(batches)
    time.sleep(0.2)  # time enough to decode all that may be decoded
    batches.close()  # type: ignore[attr-defined]

    assert 5 < len(decoded) <= 5 + 8
    assert all(name.startswith("pyq8-decode") for name in decoded)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pyq8-decode")]


def test_pixels_equal_those_of_a_single_thread(ten: Path) -> None:
    loader = open_images(ten, FLOAT_SPEC, batch_size=10)
    (batch,) = loader

    assert loader.preprocess is not None
    alone = np.stack([loader.preprocess(ten / name) for name in batch.names])
    np.testing.assert_array_equal(batch.feeds["x"], alone)
