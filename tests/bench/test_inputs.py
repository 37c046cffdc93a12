"""The inputs that a stopwatch makes."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.bench.inputs import InputSpec, fit_feeds, make_inputs
from pyq8.errors import DataError, ModelError


def spec(dtype: str, *shape: int | None) -> tuple[InputSpec, ...]:
    return (InputSpec("x", dtype, shape),)


@pytest.mark.parametrize(
    ("specs", "size", "shape"),
    [
        (spec("float32", None, 3, None, None), None, (2, 3, 224, 224)),
        (spec("float32", None, 3, None, None), (8, 6), (2, 3, 8, 6)),
        (spec("float32", None, None, 32, None), (8, 6), (2, 3, 32, 6)),
        (spec("uint8", None, None, None, 3), None, (2, 300, 300, 3)),
        (spec("uint8", None, None, None, 3), (8, 6), (2, 8, 6, 3)),
        (spec("float32", None, None, None), (8, 6), (2, 8, 6)),
        (spec("float32", None, None), (8, 6), (2, 6)),
        (spec("int64", None), None, (2,)),
        (spec("float32"), None, ()),
        (spec("float32", 1, 2), None, (1, 2)),
    ],
)
def test_open_dimensions_are_filled(
    specs: tuple[InputSpec, ...], size: tuple[int, int] | None, shape: tuple[int, ...]
) -> None:
    x = make_inputs(specs, 2, size)["x"]
    assert (x.shape, x.dtype) == (shape, np.dtype(specs[0].dtype))


def test_noise_is_the_same_every_time() -> None:
    a, b = (make_inputs(spec("float32", None, 3, 8, 8), 4)["x"] for _ in range(2))
    assert np.array_equal(a, b)
    assert a.std() > 0.5


def test_a_fixed_batch_is_refused_not_ignored() -> None:
    with pytest.raises(ModelError, match="batch of input 'x' is fixed at 1, not 2"):
        make_inputs(spec("float32", 1, 3, 8, 8), 2)


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "seq(tensor(float))"])
def test_what_cannot_be_made_up_needs_real_data(dtype: str) -> None:
    with pytest.raises(ModelError, match="give real inputs"):
        make_inputs(spec(dtype, None), 1)


def test_feeds_are_repeated_or_cut_to_the_batch() -> None:
    feeds = {"any_name": np.array([[1, 2], [3, 4]], np.float32)}
    assert fit_feeds(spec("float32", None, 2), feeds, 3)["x"].tolist() == [[1, 2], [3, 4], [1, 2]]
    assert fit_feeds(spec("float32", None, 2), feeds, 1)["x"].tolist() == [[1, 2]]


def test_a_missing_feed_is_named() -> None:
    with pytest.raises(DataError, match="no data for input 'x'; there is a, b"):
        fit_feeds(spec("float32", None, 2), {"a": np.ones(1), "b": np.ones(1)}, 1)
