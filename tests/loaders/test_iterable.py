from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pyq8.errors import DataError, UsageError
from pyq8.loaders import InputSpec, open_loader
from pyq8.types import Array

from .pictures import labels, names, open_images

SPEC = InputSpec("x", "float32", (None, 2, 3))
SIZE = InputSpec("size", "int64", (None, 2))


def ones(count: int, value: float = 1) -> Array:
    return np.full((count, 2, 3), value, np.float32)


class Tensor:
    """Behaves as a torch tensor that requires gradients does."""

    def __init__(self, array: Array, detached: bool = False) -> None:
        self._array, self._detached = array, detached

    def detach(self) -> Tensor:
        return Tensor(self._array, detached=True)

    def cpu(self) -> Tensor:
        return self

    def numpy(self) -> Array:
        if not self._detached:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        return self._array


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (ones(2), [None, None]),
        ({"x": ones(2)}, [None, None]),
        ({"x": ones(2), "labels": [3, 4]}, [3, 4]),
        ((ones(2), [3, 4]), [3, 4]),
        ([ones(2), np.array([3, 4])], [3, 4]),
        ((ones(2), None), [None, None]),
        ((ones(2),), [None, None]),
        (({"x": ones(2)}, (3, 4)), [3, 4]),
        ((ones(1), 7), [7]),
        (Tensor(ones(2)), [None, None]),
        ([Tensor(ones(2)), Tensor(np.array([3, 4]))], [3, 4]),
    ],
)
def test_every_form_gives_the_arrays_and_labels(item: Any, expected: list[int | None]) -> None:
    (batch,) = open_images([item], SPEC)

    assert list(batch.labels) == expected
    np.testing.assert_array_equal(batch.feeds["x"], ones(len(expected)))


def test_batches_keep_their_sizes_and_count_samples() -> None:
    loader = open_images([ones(4), ones(4), ones(1)], SPEC)

    assert [len(batch) for batch in loader] == [4, 4, 1]
    assert names(loader) == [str(i) for i in range(9)]
    assert loader.total is None


def test_samples_cut_the_last_batch_and_ask_for_no_more() -> None:
    asked = []

    def plenty() -> Iterator[Array]:
        for _ in range(9):
            asked.append(1)
            yield ones(4)

    assert [len(batch) for batch in open_images(plenty(), SPEC, samples=8)] == [4, 4]
    assert len(asked) == 2
    assert [len(batch) for batch in open_images([ones(4), ones(4)], SPEC, samples=6)] == [4, 2]


def test_a_list_can_be_iterated_again_a_generator_says_it_cannot() -> None:
    again = open_images([ones(2)], SPEC)
    once = open_images((ones(2) for _ in range(1)), SPEC)

    assert names(again) == names(again) == ["0", "1"]
    assert names(once) == ["0", "1"]
    with pytest.raises(DataError, match="a generator gives them only once"):
        list(once)


def test_batches_of_any_size_are_taken_for_a_model_with_a_fixed_batch() -> None:
    fixed = InputSpec("x", "float32", (2, 2, 3))

    assert [len(batch) for batch in open_images([ones(4), ones(3)], fixed)] == [4, 3]
    limited = open_images([ones(4), ones(4)], fixed, samples=5)
    assert [batch.names for batch in limited] == [("0", "1", "2", "3"), ("4",)]


def test_another_loader_is_returned_and_its_batches_are_taken() -> None:
    first = open_images([(ones(2), [3, 4])], SPEC)

    assert open_images(first, SPEC) is first
    assert labels(open_images(list(first), SPEC)) == [3, 4]


def test_several_inputs_come_by_name() -> None:
    item = {"size": np.ones((2, 2), np.int64), "x": ones(2)}

    (batch,) = open_loader([item], [SPEC, SIZE], preprocess=None, split="", samples=None, seed=None)

    assert list(batch.feeds) == ["x", "size"]


@pytest.mark.parametrize(
    ("item", "specs", "reason"),
    [
        ({"y": ones(2)}, [SPEC], "found arrays 'y', the model's inputs are 'x'"),
        (ones(2), [SPEC, SIZE], "ndarray for a model of several inputs; give a dict of 'x', 'size'"),
        (ones(2)[0], [SPEC], "has shape (2, 3); add the batch axis"),
        (ones(2).transpose(0, 2, 1), [SPEC], "has shape (2, 3, 2); axes after the batch must agree"),
        (ones(2).astype(np.int32), [SPEC], "is int32; preprocess it"),
        (ones(0), [SPEC], "axis 0 must count the same ones, 1 or more"),
        ({"x": ones(2), "size": np.ones((3, 2), np.int64)}, [SPEC, SIZE], "samples per array differ"),
        ("text", [SPEC], "str found; give arrays"),
        ({"x": [[1.0]]}, [SPEC], "found; give arrays"),
        ((ones(2), [1]), [SPEC], "labels of shape (1,)"),
        ((ones(2), [0.5, 1.5]), [SPEC], "one whole number per sample"),
        ((ones(2), [{"boxes": 1}, {}]), [SPEC], "or no labels"),
        ((ones(2), [[1], [2, 3]]), [SPEC], "or no labels"),
    ],
)
def test_batches_that_do_not_fit_are_refused_by_number(item: object, specs: list[InputSpec], reason: str) -> None:
    good: dict[str, Array] = {spec.name: np.ones((1, *spec.shape[1:]), spec.dtype) for spec in specs}  # type: ignore[arg-type]
    loader = open_loader([good, item], specs, preprocess=None, split="", samples=None, seed=None)

    with pytest.raises(DataError) as caught:
        list(loader)

    assert str(caught.value).startswith("batch 1: ")
    assert reason in str(caught.value)


def test_values_that_are_not_finite_name_the_sample() -> None:
    bad = ones(3)
    bad[1, 0, 0] = np.nan

    with pytest.raises(DataError, match="batch 1: array for input 'x' holds NaN or infinity in sample 3"):
        list(open_images([ones(2), bad], SPEC))


def test_what_is_no_data_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="int is no data"):
        open_images(5, SPEC)
    with pytest.raises(UsageError, match="a seed draws samples from files"):
        open_images([ones(2)], SPEC, samples=1, seed=0)
