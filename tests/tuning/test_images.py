"""Search and verdict never share an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyq8.loaders import Loader, open_loader
from pyq8.loaders.inputs import InputSpec
from pyq8.tuning.images import Half, divide
from pyq8.types import Array

SPECS = [InputSpec("x", "float32", (None, 3))]
IMAGE = [InputSpec("x", "float32", (None, 1, 8, 8))]


def arrays(count: int = 40, labels: bool = True, batch: int = 1) -> Loader:
    rng = np.random.default_rng(0)
    found: dict[str, Array] = {"x": rng.standard_normal((count, 3)).astype(np.float32)}
    if labels:
        found["labels"] = np.arange(count)
    return open_loader(found, SPECS, preprocess=None, split="", samples=None, seed=None, batch_size=batch)


def names(loader: Loader) -> list[str]:
    return [name for batch in loader for name in batch.names]


@pytest.mark.parametrize("batch", [1, 7])
def test_two_halves_are_the_whole_whatever_the_batches(batch: int) -> None:
    halves = [names(Half(arrays(batch=batch), side)) for side in (0, 1)]
    assert sorted(halves[0] + halves[1]) == sorted(names(arrays()))
    assert min(map(len, halves)) > 10
    assert names(Half(arrays(), 0)) == halves[0]


def test_an_image_is_in_the_half_where_its_copy_is_under_another_name() -> None:
    image = np.ones((1, 3), np.float32)
    loader = open_loader([image, 2 * image, image], SPECS, preprocess=None, split="", samples=None, seed=None)
    found = [names(Half(loader, side)) for side in (0, 1)]
    assert any({"0", "2"} <= set(half) for half in found)


def test_a_half_keeps_labels_with_their_images_and_ends_where_it_should() -> None:
    found = [(batch.names, batch.labels) for batch in Half(arrays(), 1, samples=5)]
    assert len(found) == 5 and all(labels == (int(name),) for (name,), labels in found)


@pytest.mark.parametrize(
    ("calib", "data", "labelled", "like", "calibration_serves"),
    [("a.npz", "b.npz", True, False, True), ("a.npz", "a.npz", True, False, False),
     ("a.npz", "./x/../a.npz", True, False, False), ("a.npz", "b.npz", False, False, False),
     ("a.npz", "b.npz", True, True, False)],
)  # fmt: skip
def test_calibration_images_serve_where_they_are_others_and_labelled(
    calib: str, data: str, labelled: bool, like: bool, calibration_serves: bool
) -> None:
    calibration, judged = arrays(labels=labelled), arrays()

    found = divide(calib, data, calibration, judged, like, 500)

    assert (found.search is calibration) == calibration_serves == (found.verdict is judged)
    assert ("calibration" in found.origin) == calibration_serves
    if not calibration_serves:
        assert set(names(found.search)).isdisjoint(names(found.verdict))


def test_a_folder_with_splits_serves_twice_and_one_without_is_halved(tmp_path: Path, digits_images: str) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in sorted(Path(digits_images).glob("*.png"))[:12]:
        (plain / path.name).write_bytes(path.read_bytes())
    for folder, serves in ((digits_images, True), (str(plain), False)):
        calibration, judged = (
            open_loader(folder, IMAGE, preprocess=None, split=split, samples=None, seed=None)
            for split in ("calib", "val")
        )
        found = divide(folder, folder, calibration, judged, like=True, samples=500)
        assert (found.search is calibration) == serves
        assert set(names(found.search)).isdisjoint(names(found.verdict))
