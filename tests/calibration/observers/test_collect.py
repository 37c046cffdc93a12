"""Collector: the bins it counts in are exact, and nothing depends on how the values come."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyq8.calibration.observers.collect import Collector
from pyq8.errors import DataError
from pyq8.kernels.histogram import BLOCK
from pyq8.stats import BINS
from tests.calibration.observers.stats_of import stats_of

MAX = float(np.finfo(np.float32).max)
floats = st.floats(-MAX, MAX, width=32)
images = st.lists(st.lists(floats, min_size=1, max_size=20), min_size=1, max_size=6)


@given(values=st.lists(floats, min_size=1, max_size=40))
def test_every_value_lies_in_the_bin_that_exact_arithmetic_gives(values: list[float]) -> None:
    histogram = stats_of(values).histogram

    assert histogram is not None
    width = Fraction(2) ** histogram.exponent
    expected = np.zeros(2 * BINS, np.int64)
    for value in values:
        expected[BINS + math.floor(Fraction(value) / width)] += 1
    np.testing.assert_array_equal(histogram.counts, expected)


@given(values=st.lists(floats, min_size=1, max_size=40))
def test_bins_are_as_narrow_as_the_largest_value_allows(values: list[float]) -> None:
    histogram = stats_of(values).histogram

    assert histogram is not None
    peak = max(map(abs, values))
    assert peak <= BINS * 2.0**histogram.exponent
    assert histogram.exponent == -120 or peak >= BINS / 2 * 2.0**histogram.exponent


@given(images, st.randoms())
def test_order_and_chunks_do_not_matter(images: list[list[float]], random: object) -> None:
    shuffled = [list(image) for image in images]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    apart = json.dumps(stats_of(*images).to_json())

    assert json.dumps(stats_of(*shuffled).to_json()) == apart
    assert json.dumps(stats_of([x for image in images for x in image]).to_json()) == apart
    assert json.dumps(stats_of(*[[x] for image in images for x in image]).to_json()) == apart


def test_more_values_than_a_block_are_all_counted() -> None:
    values = np.random.default_rng(0).normal(0, 3, 2 * BLOCK + 7).astype(np.float32)

    histogram = stats_of(values).histogram

    assert histogram is not None
    expected, _ = np.histogram(values, histogram.edges())
    np.testing.assert_array_equal(histogram.counts, expected)


def test_an_image_of_zeros_leaves_the_bins_of_the_others_narrow() -> None:
    small = np.linspace(0, 1e-3, 1000, dtype=np.float32)

    merged = stats_of(small, np.zeros(10)).histogram

    alone = stats_of(small).histogram
    assert merged is not None and alone is not None
    assert merged.exponent == alone.exponent
    assert merged.counts[BINS] == alone.counts[BINS] + 10


def test_channel_means_are_of_the_channel_axis() -> None:
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    rows = np.arange(6, dtype=np.float32).reshape(1, 3, 2)

    nchw = stats_of(image, channel_axis=1).channel_mean
    matmul = stats_of(rows, channel_axis=-1).channel_mean

    assert nchw is not None and matmul is not None
    assert nchw.value.tolist() == [5.5, 17.5]
    assert matmul.value.tolist() == [2.0, 3.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_name_the_tensor(bad: float) -> None:
    collector = Collector("conv7", histogram=True)

    with pytest.raises(DataError, match="'conv7' holds NaN or infinity"):
        collector.update(np.asarray([1, bad, 2], np.float32))


@pytest.mark.parametrize("value", [2.0**31, 3e38])
def test_a_mean_too_large_for_fixed_point_names_the_tensor(value: float) -> None:
    collector = Collector("conv7", histogram=True, channel_axis=1)

    with pytest.raises(DataError, match="'conv7' has a channel whose mean is"):
        collector.update(np.full((1, 1, 2, 2), value, np.float32))


def test_a_tensor_that_was_always_empty_has_no_statistics() -> None:
    collector = Collector("boxes", histogram=True)
    collector.update(np.zeros((0, 4), np.float32))

    assert collector.stats() is None


def test_without_histogram_only_the_ends_are_kept() -> None:
    collector = Collector("t", histogram=False)
    collector.update(np.asarray([-1, 5], np.float32))

    stats = collector.stats()

    assert stats is not None
    assert (stats.min, stats.max, stats.count, stats.histogram) == (-1, 5, 2, None)
