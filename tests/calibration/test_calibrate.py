"""calibrate(): the same statistics, bit for bit, however the images come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.calibration.calibrate import calibrate
from pyq8.errors import CalibrationError, DataError
from pyq8.plan.make import make_plan
from pyq8.runtime.environment import DataDigest
from pyq8.stats import BINS, Calibration
from pyq8.types import Array, Config, Feeds
from tests.small_models import parse

COUNT = 33
RNG = np.random.default_rng(7)
IMAGES = (RNG.standard_normal((COUNT, 3, 6, 6)) * np.exp(RNG.normal(0, 2, (COUNT, 1, 1, 1)))).astype(np.float32)
WHOLE = RNG.integers(-9, 10, IMAGES.shape).astype(np.float32)
WHOLE_WEIGHTS: dict[str, tuple[int, ...] | Array] = {
    "w1": RNG.integers(-5, 6, (8, 3, 3, 3)).astype(np.float32),
    "b1": RNG.integers(-5, 6, 8).astype(np.float32),
    "w2": RNG.integers(-5, 6, (4, 8, 3, 3)).astype(np.float32),
}
TWO_CONVS = """g (float[{batch}, 3, 6, 6] x) => (float[{batch}, 4, 6, 6] y) {{
    [conv1] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)
    [relu] b = Relu(a)
    [conv2] y = Conv<pads = [1, 1, 1, 1]>(b, w2)
}}"""


def network(batch: str | int = "N", whole: bool = False) -> ir.Model:
    """Two convolutions; with whole numbers no sum is ever rounded, whatever its order."""
    shapes = {name: np.shape(value) for name, value in WHOLE_WEIGHTS.items()}
    return parse(TWO_CONVS.format(batch=batch), WHOLE_WEIGHTS if whole else shapes)


def batches(images: Array, size: int) -> Iterator[Feeds]:
    for start in range(0, len(images), size):
        yield {"x": images[start : start + size]}


def run(model: ir.Model, images: Array, size: int, observer: str = "mse") -> Calibration:
    return calibrate(model, batches(images, size), Config(observer=observer))


def text(calibration: Calibration, *without: str) -> str:
    return json.dumps({k: v for k, v in calibration.to_json().items() if k not in without})


@pytest.mark.parametrize("size", [7, 32, COUNT])
def test_the_batch_size_of_the_data_does_not_matter(size: int) -> None:
    model = network()

    assert text(run(model, IMAGES, size)) == text(run(model, IMAGES, 1))


def test_the_order_of_the_images_does_not_matter() -> None:
    model = network()
    shuffled = IMAGES[np.random.default_rng(0).permutation(COUNT)]

    assert text(run(model, shuffled, 7)) == text(run(model, IMAGES, 7))


@pytest.mark.parametrize("size", [1, 4, 7, 32])
def test_a_fixed_batch_size_of_the_model_does_not_matter(size: int) -> None:
    free = run(network(whole=True), WHOLE, 1)

    fixed = run(network(4, whole=True), WHOLE, size)

    assert fixed.samples == COUNT
    assert text(fixed, "model_sha256") == text(free, "model_sha256")


def test_the_order_does_not_matter_to_a_fixed_batch_size_either() -> None:
    model = network(4)
    shuffled = IMAGES[np.random.default_rng(0).permutation(COUNT)]

    assert text(run(model, shuffled, 5)) == text(run(model, IMAGES, 8))


def test_every_image_is_counted_once_and_padding_never() -> None:
    stats = run(network(4, whole=True), WHOLE[:5], 5).stats["x"]

    assert stats.count == WHOLE[:5].size
    assert (stats.min, stats.max) == (WHOLE[:5].min(), WHOLE[:5].max())
    assert stats.histogram is not None and stats.channel_mean is not None
    assert stats.histogram.counts.sum() == WHOLE[:5].size
    np.testing.assert_allclose(stats.channel_mean.value, WHOLE[:5].mean((0, 2, 3)), rtol=1e-6)


def test_what_is_observed_is_what_the_model_computes() -> None:
    images = np.abs(WHOLE)
    stats = run(network(whole=True), images, 8).stats

    x = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    w, b = np.asarray(WHOLE_WEIGHTS["w1"]), np.asarray(WHOLE_WEIGHTS["b1"])
    relu = np.maximum(np.einsum("ncyxij,ocij->noyx", windows, w) + b[:, None, None], 0)
    seen = stats["b"]
    assert (seen.min, seen.max, seen.count) == (relu.min(), relu.max(), relu.size)
    assert seen.channel_mean is not None and seen.histogram is not None
    np.testing.assert_allclose(seen.channel_mean.value, relu.mean((0, 2, 3)), rtol=1e-6)
    assert seen.histogram.counts[:BINS].sum() == 0


def half_of(image: Array) -> int:
    """The half that an image belongs to."""
    return DataDigest().update({"x": image[None]}) % 2


def test_each_half_holds_the_statistics_of_its_own_images() -> None:
    model = network()
    whole = run(model, IMAGES, 7)

    for number, half in enumerate(whole.halves):
        own = np.stack([image for image in IMAGES if half_of(image) == number])
        assert COUNT / 4 < half.samples == len(own)
        alone = run(model, own, 7)
        assert {n: s.to_json() for n, s in half.stats.items()} == {n: s.to_json() for n, s in alone.stats.items()}


def test_copies_of_an_image_are_in_one_half() -> None:
    calibration = run(network(), np.repeat(IMAGES[:1], 5, axis=0), 2)

    assert sorted(half.samples for half in calibration.halves) == [0, 5]
    assert calibration.samples == 5


def test_a_fixed_batch_is_parted_too() -> None:
    halves = run(network(4, whole=True), WHOLE, 8).halves

    for number, half in enumerate(halves):
        own = np.stack([image for image in WHOLE if half_of(image) == number])
        assert half.samples == len(own)
        assert (half.stats["x"].count, half.stats["b"].count) == (own.size, own.size // 3 * 8)


def test_data_digest_tells_other_images_apart() -> None:
    model = network()

    assert run(model, IMAGES, 7).data_sha256 != run(model, IMAGES[1:], 7).data_sha256


def test_minmax_keeps_no_histograms() -> None:
    assert all(s.histogram is None for s in run(network(), IMAGES, 8, "minmax").stats.values())


def test_a_plan_refuses_the_calibration_of_another_model() -> None:
    calibration = run(network(), IMAGES, 8)

    with pytest.raises(CalibrationError, match="calibrate again"):
        make_plan(network(whole=True), calibration, Config())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("observer", ["mse", "minmax"])
def test_nan_and_infinity_are_named_by_tensor(bad: float, observer: str) -> None:
    images = IMAGES.copy()
    images[20, 1, 2, 3] = bad

    with pytest.raises(DataError, match="tensor 'x' holds NaN or infinity"):
        run(network(), images, 8, observer)


def test_a_tensor_that_overflows_inside_the_model_is_named() -> None:
    weights: dict[str, Any] = WHOLE_WEIGHTS | {"w1": np.full((8, 3, 3, 3), 3e38, np.float32)}
    model = parse(TWO_CONVS.format(batch="N"), weights)

    with pytest.raises(DataError, match=r"tensor '[ab]' holds NaN or infinity"):
        run(model, np.abs(WHOLE), 8)


def test_a_tensor_that_is_always_empty_is_named() -> None:
    text = """g (float[N, 3, 6, 6] x, float[N, R, 8] rows) => (float[N, 4, 6, 6] y, float[N, R, 4] z) {
        [conv] y = Conv(x, w1)
        [product] z = MatMul(rows, w2)
    }"""
    empty = {"x": IMAGES[:3], "rows": np.zeros((3, 0, 8), np.float32)}

    with pytest.raises(DataError, match="tensor 'rows' was empty on every calibration image; give other images"):
        calibrate(parse(text, {"w1": (4, 3, 1, 1), "w2": (8, 4)}), [empty], Config())


def test_no_image_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="no calibration image came"):
        calibrate(network(), [], Config())


def test_progress_counts_every_image_once() -> None:
    done: list[int] = []

    calibrate(network(4), batches(IMAGES, 7), Config(), done.append)

    assert sum(done) == COUNT
