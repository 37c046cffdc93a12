"""stats.py: what is merged is exact, whatever the order, and survives JSON bit for bit."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyq8.errors import CalibrationError
from pyq8.runtime.environment import DataDigest
from pyq8.stats import BINS, LARGEST_MEAN, Calibration, ChannelMean, Half, Histogram, TensorStats

EXPONENTS = st.integers(-120, 116)
EMPTY = Half({}, 0)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    counts = np.zeros(2 * BINS, np.int64)
    for at, count in draw(st.lists(st.tuples(st.integers(0, 2 * BINS - 1), st.integers(0, 2**40)), max_size=8)):
        counts[at] += count
    return Histogram(draw(EXPONENTS), counts)


def means(size: int = 3) -> st.SearchStrategy[ChannelMean]:
    value = st.floats(-LARGEST_MEAN, LARGEST_MEAN, exclude_min=True, exclude_max=True)
    return st.lists(value, min_size=size, max_size=size).map(lambda v: ChannelMean.of(np.asarray(v)))


@st.composite
def tensor_stats(draw: st.DrawFn) -> TensorStats:
    low, high = sorted(draw(st.tuples(*[st.floats(-(2.0**127), 2.0**127, width=32)] * 2)))
    mean = draw(means())
    return TensorStats(low + 0.0, high + 0.0, draw(st.integers(1, 2**40)), draw(histograms()), mean)


def text(value: Any) -> str:
    return json.dumps(value.to_json())


@given(histograms(), histograms(), histograms())
def test_histograms_merge_in_any_order(a: Histogram, b: Histogram, c: Histogram) -> None:
    assert text(a + b) == text(b + a)
    assert text((a + b) + c) == text(a + (b + c))


@given(histograms(), EXPONENTS, EXPONENTS)
def test_bins_joined_in_steps_are_bins_joined_at_once(h: Histogram, first: int, second: int) -> None:
    middle = max(h.exponent, first)
    end = max(middle, second)

    assert text(h.at(middle).at(end)) == text(h.at(end))


@given(histograms(), EXPONENTS)
def test_joined_bins_hold_what_lay_between_their_edges(h: Histogram, exponent: int) -> None:
    exponent = max(exponent, h.exponent)
    ratio = Fraction(2) ** (exponent - h.exponent)
    expected = np.zeros(2 * BINS, np.int64)
    for at in np.flatnonzero(h.counts):
        expected[BINS + math.floor((int(at) - BINS) / ratio)] += h.counts[at]

    np.testing.assert_array_equal(h.at(exponent).counts, expected)


def test_edges_are_multiples_of_the_bin_width() -> None:
    edges = Histogram(-3, np.zeros(2 * BINS, np.int64)).edges()

    assert (edges[0], edges[BINS], edges[BINS + 1], edges[-1]) == (-BINS / 8, 0, 0.125, BINS / 8)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), min_size=1, max_size=20), st.randoms())
def test_channel_means_are_exact_in_any_order(images: list[list[float]], random: Any) -> None:
    total = ChannelMean.of(np.asarray(images[0]))
    for image in images[1:]:
        total += ChannelMean.of(np.asarray(image))
    random.shuffle(images)
    shuffled = ChannelMean.of(np.asarray(images[0]))
    for image in images[1:]:
        shuffled += ChannelMean.of(np.asarray(image))

    assert text(total) == text(shuffled)
    for channel in range(2):
        exact = sum((Fraction(image[channel]) for image in images), Fraction(0)) / len(images)
        assert abs(Fraction(float(total.value[channel])) - exact) <= Fraction(1, 2**56) + abs(exact) / 2**51


@given(means(), means(), means())
def test_channel_means_merge_in_any_order(a: ChannelMean, b: ChannelMean, c: ChannelMean) -> None:
    assert text((a + b) + c) == text(a + (b + c)) == text((c + a) + b)


def test_as_many_of_the_largest_means_as_promised_still_fit() -> None:
    largest = ChannelMean.of(np.asarray([-np.nextafter(LARGEST_MEAN, 0)]))

    total = ChannelMean(largest.high * (2**16), largest.low * (2**16), 2**16)

    assert int(largest.high[0]) * 2**16 == int(total.high[0])
    assert total.value[0] == pytest.approx(-LARGEST_MEAN)


@given(tensor_stats(), tensor_stats(), tensor_stats())
def test_tensor_stats_merge_in_any_order(a: TensorStats, b: TensorStats, c: TensorStats) -> None:
    merged = (a + b) + c

    assert text(merged) == text(c + (b + a))
    assert (merged.min, merged.max) == (min(a.min, b.min, c.min), max(a.max, b.max, c.max))
    assert merged.count == a.count + b.count + c.count


def test_what_one_side_did_not_keep_the_sum_has_not() -> None:
    whole = TensorStats(0, 1, 2, Histogram(0, np.zeros(2 * BINS, np.int64)), ChannelMean.of(np.ones(1)))

    merged = whole + TensorStats(-1, 0, 3)

    assert merged == TensorStats(-1, 1, 5)


@settings(max_examples=15)
@given(*[st.dictionaries(st.text(max_size=1), tensor_stats(), max_size=2)] * 2)
def test_a_calibration_comes_back_from_json_bit_for_bit(
    first: dict[str, TensorStats], second: dict[str, TensorStats]
) -> None:
    calibration = Calibration((Half(first, 7), Half(second, 5)), "a" * 64, "b" * 64)
    stats = calibration.stats

    back = Calibration.from_json(json.loads(text(calibration)))

    assert text(back) == text(calibration)
    assert back.samples == 12
    assert set(back.stats) == set(first) | set(second)
    for name, expected in stats.items():
        assert expected.histogram is not None and expected.channel_mean is not None
        found = back.stats[name]
        assert found.histogram is not None and found.channel_mean is not None
        np.testing.assert_array_equal(found.histogram.counts, expected.histogram.counts)
        np.testing.assert_array_equal(found.channel_mean.value, expected.channel_mean.value)


@given(tensor_stats(), tensor_stats(), tensor_stats())
def test_a_calibration_is_the_sum_of_its_halves(a: TensorStats, b: TensorStats, c: TensorStats) -> None:
    calibration = Calibration((Half({"x": a, "y": b}, 2), Half({"x": c, "z": b}, 1)), "a" * 64, "b" * 64)

    assert {name: text(s) for name, s in calibration.stats.items()} == {"x": text(a + c), "y": text(b), "z": text(b)}


def test_saved_and_loaded(tmp_path: Path) -> None:
    calibration = Calibration((Half({"x": TensorStats(-0.1, 1 / 3, 5)}, 5), EMPTY), "a" * 64, "b" * 64)

    calibration.save(tmp_path / "c.json")

    assert Calibration.load(tmp_path / "c.json") == calibration


def test_another_model_is_refused() -> None:
    calibration = Calibration((EMPTY, EMPTY), "a" * 64, "b" * 64)

    calibration.check_model("a" * 64)
    with pytest.raises(CalibrationError, match="of model aaaaaaaaaaaa: this model is cccccccccccc"):
        calibration.check_model("c" * 64)


GOOD = Calibration(
    (Half({"x": TensorStats(0, 1, 1, Histogram(0, np.ones(2 * BINS, np.int64)))}, 5), EMPTY), "a" * 64, "b" * 64
).to_json()


def changed(path: str, value: Any) -> str:
    """GOOD with one entry replaced."""
    data = json.loads(json.dumps(GOOD))
    *parents, last = path.split(".")
    inner = data
    for key in parents:
        inner = inner[int(key) if key.isdigit() else key]
    inner[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(GOOD)[:-40],
        "",
        "[]",
        "3",
        '"a"',
        "{}",
        json.dumps({k: v for k, v in GOOD.items() if k != "kind"}),
        changed("kind", "pyq8 plan"),
        changed("schema", 1),
        changed("halves", []),
        changed("halves", GOOD["halves"] * 2),
        changed("halves.0.stats", []),
        changed("halves.0.stats.x", None),
        changed("halves.0.stats.x.histogram.first", -5000),
        changed("halves.0.stats.x.histogram.first", 1),
        changed("halves.0.stats.x.histogram.counts", [2**70]),
        changed("halves.0.stats.x.histogram.counts", "many"),
    ],
)
def test_other_files_are_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(CalibrationError, match=r"c\.json: not a pyq8 calibration; calibrate again"):
        Calibration.load(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b"\xff\xfe\x00\x81")

    with pytest.raises(CalibrationError, match="not a pyq8 calibration"):
        Calibration.load(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"c\.json: no such file; calibrate first"):
        Calibration.load(tmp_path / "c.json")
    with pytest.raises(CalibrationError, match="cannot be read"):
        Calibration.load(tmp_path)


def test_data_digest_depends_on_the_samples_and_not_on_their_order() -> None:
    a, b = np.zeros((1, 2), np.float32), np.ones((1, 2), np.float32)

    def digest(*samples: np.ndarray[Any, Any]) -> str:
        found = DataDigest()
        for sample in samples:
            found.update({"x": sample})
        return found.hexdigest()

    assert digest(a, b, b) == digest(b, a, b)
    assert len({digest(a), digest(a, a), digest(a, b), digest(b), digest(a.astype(np.float64))}) == 5
