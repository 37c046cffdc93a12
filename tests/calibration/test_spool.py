"""Images on disk: the same ones in the same order, however they came."""

from __future__ import annotations

import tempfile
from itertools import pairwise

import numpy as np
import pytest

from pyq8.calibration.spool import Spool
from pyq8.loaders import Batch


def batches(order: list[int], size: int) -> list[Batch]:
    images = np.random.default_rng(0).standard_normal((7, 3, 4, 4)).astype(np.float32)
    cuts = [order[i : i + size] for i in range(0, len(order), size)]
    return [Batch({"x": images[cut]}, tuple(cut), tuple(f"{i}.png" for i in cut)) for cut in cuts]


@pytest.mark.parametrize(("order", "size"), [([6, 5, 4, 3, 2, 1, 0], 1), ([3, 1, 0, 2, 6, 4, 5], 4)])
def test_order_and_batches_do_not_matter(order: list[int], size: int) -> None:
    with tempfile.TemporaryFile() as a, tempfile.TemporaryFile() as b:
        first, second = Spool(a, batches(list(range(7)), 7)), Spool(b, batches(order, size))

        for one, other in zip(first.batches(), second.batches(), strict=True):
            np.testing.assert_array_equal(one.feeds["x"], other.feeds["x"])
            assert (one.labels, one.names) == (other.labels, other.names)


def test_it_can_be_read_again_and_in_part() -> None:
    with tempfile.TemporaryFile() as file:
        spool = Spool(file, batches(list(range(7)), 3))

        assert len(spool) == 7
        assert [b.names for b in spool.batches(3)] == [b.names for b in spool.batches()][:3]
        assert sorted(n for b in spool.batches() for n in b.names) == sorted(f"{i}.png" for i in range(7))


def test_as_many_at_a_time_as_the_model_wants_and_have_one_shape() -> None:
    with tempfile.TemporaryFile() as file:
        small = Batch({"x": np.zeros((1, 3, 2, 2), np.float32)}, (None,), ("small",))
        spool = Spool(file, [*batches(list(range(7)), 7), small], 4)

        found = list(spool.batches())

    assert sum(len(b) for b in found) == 8
    assert all(len(b) == len(b.feeds["x"]) <= 4 for b in found)
    assert all(len(a) == 4 or a.feeds["x"].shape != b.feeds["x"].shape or b is found[-1] for a, b in pairwise(found))


def test_integers_stay_integers_and_progress_counts_images() -> None:
    seen: list[int] = []
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    with tempfile.TemporaryFile() as file:
        spool = Spool(file, [Batch({"x": pixels}, (None, None), ("a", "b"))], progress=seen.append)
        found = np.concatenate([f["x"] for f in spool.feeds()])

    assert seen == [2]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(np.sort(found.ravel()), np.sort(pixels.ravel()))
