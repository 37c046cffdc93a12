"""Rounding for the inputs that a layer really reads."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.correction.rounding import round_rows
from pyq8.types import Array


def correlated(rng: np.random.Generator, groups: int, count: int) -> Array:
    """Covariance of channels that move together."""
    mixing = rng.standard_normal((groups, count, count)) @ np.diag(np.geomspace(1, 0.01, count))
    return np.asarray(np.matmul(mixing, mixing.transpose(0, 2, 1)), np.float32)


def output_error(weights: Array, codes: Array, moment: Array) -> Array:
    """E[(e.x)^2] of every row."""
    error = weights - codes
    return np.asarray(np.einsum("gok,gkl,gol->go", error, moment, error))


@pytest.mark.parametrize(("groups", "outputs", "count"), [(1, 32, 300), (6, 1, 9), (4, 8, 1)])
def test_the_output_error_is_smaller_than_nearest_rounding_leaves(groups: int, outputs: int, count: int) -> None:
    rng = np.random.default_rng(3)
    weights = rng.uniform(-100, 100, (groups, outputs, count))
    moment = correlated(rng, groups, count)

    codes = round_rows(weights, moment, 127)

    nearest = output_error(weights, np.rint(weights), moment).sum()
    found = output_error(weights, codes, moment).sum()
    assert codes.dtype == np.int8
    assert codes.shape == weights.shape
    assert found <= nearest * (0.2 if count > 9 else 0.9 if count > 1 else 1)


def test_independent_inputs_give_the_nearest_codes() -> None:
    weights = np.random.default_rng(4).uniform(-120, 120, (1, 4, 50))

    codes = round_rows(weights, np.eye(50, dtype=np.float32)[None] * 3, 127)

    np.testing.assert_array_equal(codes, np.rint(weights))


def test_codes_stay_within_the_limit() -> None:
    rng = np.random.default_rng(5)
    weights = rng.uniform(-63.4, 63.4, (1, 16, 64))

    codes = round_rows(weights, correlated(rng, 1, 64), 63)

    assert np.abs(codes.astype(int)).max() <= 63


def test_inputs_that_never_vary_leave_the_nearest_codes() -> None:
    weights = np.random.default_rng(6).uniform(-100, 100, (1, 3, 20))

    codes = round_rows(weights, np.zeros((1, 20, 20), np.float32), 127)

    np.testing.assert_array_equal(codes, np.rint(weights))


def test_what_rounding_left_of_inputs_that_hardly_vary_gives_the_nearest_codes_and_spares_other_groups() -> None:
    rng = np.random.default_rng(7)
    weights = rng.uniform(-127.9, 127.9, (2, 3, 20))
    moment = correlated(rng, 2, 20)
    noise = rng.standard_normal((20, 20)).astype(np.float32) * np.float32(1e-7)
    moment[1] = noise + noise.T  # neither positive nor anything else

    codes = round_rows(weights, moment, 127)

    np.testing.assert_array_equal(codes[1], np.clip(np.rint(weights[1]), -127, 127))
    np.testing.assert_array_equal(codes[:1], round_rows(weights[:1], moment[:1], 127))
