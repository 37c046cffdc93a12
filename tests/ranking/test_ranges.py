"""watch_ranges: what of a tensor lies outside its range, and how coarse the range is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyq8 import affine
from pyq8.ranking.ranges import RangeUse, watch_ranges
from pyq8.types import Feeds
from tests.small_models import Case, between, quantized


def watch(low: float, high: float, feeds: list[Feeds] | None = None) -> RangeUse:
    """Of the input, as if its range were [low, high]."""
    found = quantized(between("[r] b = Relu(a)"))
    plan = replace(found.plan, qparams={**found.plan.qparams, "x": affine.choose_qparams(low, high)})
    return watch_ranges(found.model, plan, ["x"], feeds or found.feeds)["x"]


def values(case: Case) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.concatenate([f["x"].ravel() for f in case.feeds])


def test_a_range_that_is_too_narrow_clips() -> None:
    x = values(quantized(between("[r] b = Relu(a)")))
    found = watch(-1, 1)

    assert found.clipped == pytest.approx(np.mean(np.abs(x) > 1.004), abs=2e-3)
    assert found.clip_noise > 0.99 * found.noise > 0.05
    assert (found.smallest, found.largest) == (x.min(), x.max())
    assert f"{found.clipped:.2%} of the values lie outside [-0.996, 1], they reach [" in str(found)


def test_a_range_that_is_too_wide_is_coarse() -> None:
    x = values(quantized(between("[r] b = Relu(a)")))
    found = watch(-400, 400)

    assert (found.clipped, found.clip_noise) == (0.0, 0.0)
    assert found.step == pytest.approx(800 / 255)
    assert found.median == pytest.approx(float(np.median(np.abs(x))), rel=0.05)
    assert "range [-398, 402], a step of 3.1 for a median of 0.72" in str(found)


def test_zeros_do_not_hide_how_large_the_others_are() -> None:
    image = np.zeros((1, 8, 12, 12), np.float32)
    image[0, 0] = 4

    assert watch(0, 8, [{"x": image}]).median == 4


def test_the_noise_is_that_of_rounding() -> None:
    x = values(quantized(between("[r] b = Relu(a)")))
    qparams = affine.choose_qparams(-8, 8)
    error = affine.dequantize(affine.quantize(x, qparams), qparams) - x

    assert watch(-8, 8).noise == pytest.approx(float(np.vdot(error, error) / np.vdot(x, x)), rel=1e-4)


def test_computed_tensors_are_watched_behind_what_saturation_computes() -> None:
    found = quantized(between("[r] b = Relu(a)"))

    ranges = watch_ranges(found.model, found.plan, ["b", "x"], found.feeds)

    assert ranges["b"].smallest == 0 and ranges["x"].smallest < 0
    assert list(ranges) == ["b", "x"]
