from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyq8.errors import DataError
from pyq8.loaders import InputSpec, Loader, open_loader
from pyq8.types import Array

from .pictures import labels, names, open_images

SPEC = InputSpec("x", "float32", (None, 3, 4, 5))
SIZE = InputSpec("size", "int64", (None, 2))


def values(count: int = 6, dtype: str = "float32") -> Array:
    return np.arange(count * 60).reshape(count, 3, 4, 5).astype(dtype)


def open_npz(path: Path, specs: list[InputSpec], **options: Any) -> Loader:
    settings: dict[str, Any] = {"preprocess": None, "split": "calib", "samples": None, "seed": None}
    return open_loader(path, specs, **(settings | options))


def test_npy_batches_equal_the_array(tmp_path: Path) -> None:
    np.save(tmp_path / "any.npy", values())

    loader = open_images(tmp_path / "any.npy", SPEC, batch_size=4)

    assert [len(batch) for batch in loader] == [4, 2]
    np.testing.assert_array_equal(np.concatenate([batch.feeds["x"] for batch in loader]), values())
    assert names(loader) == ["0", "1", "2", "3", "4", "5"]
    assert labels(loader) == [None] * 6
    assert (loader.total, loader.preprocess) == (6, None)


def test_npz_feeds_inputs_by_name_and_gives_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", size=np.ones((6, 2), np.int64), x=values(), labels=np.arange(6))

    loader = open_npz(tmp_path / "a.npz", [SPEC, SIZE], batch_size=6)
    (batch,) = loader

    assert list(batch.feeds) == ["x", "size"]
    np.testing.assert_array_equal(batch.feeds["x"], values())
    assert batch.feeds["size"].dtype == np.int64
    assert batch.labels == (0, 1, 2, 3, 4, 5)


def test_one_array_for_one_input_may_have_any_name(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", images=values(), labels=np.arange(6, dtype=np.uint8))

    assert labels(open_npz(tmp_path / "a.npz", [SPEC])) == [0, 1, 2, 3, 4, 5]


def test_an_input_called_labels_is_an_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", labels=values())

    (batch,) = open_npz(tmp_path / "a.npz", [InputSpec("labels", "float32", SPEC.shape)], batch_size=9)

    assert list(batch.feeds) == ["labels"]
    assert batch.labels == (None,) * 6


def test_samples_and_seed_choose_the_same_rows_of_everything(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=values(), labels=np.arange(6))

    batches = list(open_npz(tmp_path / "a.npz", [SPEC], samples=3, seed=5, batch_size=2))

    chosen = [label for label in labels(batches) if label is not None]
    assert len(chosen) == 3
    assert [len(batch) for batch in batches] == [2, 1]
    assert chosen == sorted(set(chosen))
    np.testing.assert_array_equal(np.concatenate([b.feeds["x"] for b in batches]), values()[chosen])


def test_float64_is_cast_to_float32(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", values(dtype="float64"))

    (batch,) = open_images(tmp_path / "a.npy", SPEC, batch_size=6)

    assert batch.feeds["x"].dtype == np.float32
    np.testing.assert_array_equal(batch.feeds["x"], values())


def test_arrays_in_memory_need_no_file() -> None:
    one = open_images(values(), SPEC, batch_size=4)
    named = open_images({"x": values(), "labels": list(range(6))}, SPEC, batch_size=4)

    assert [len(batch) for batch in one] == [4, 2]
    assert labels(named) == [0, 1, 2, 3, 4, 5]


def test_the_last_batch_of_a_model_with_a_fixed_batch_may_be_short() -> None:
    loader = open_images(values(), InputSpec("x", "float32", (4, 3, 4, 5)))

    assert [len(batch) for batch in loader] == [4, 2]
    assert (loader.total, loader.skipped) == (6, [])


@pytest.mark.parametrize(
    ("arrays", "specs", "reason"),
    [
        ({"a": values(), "b": values()}, [SPEC], "found arrays 'a', 'b', the model's inputs are 'x'"),
        ({"x": values()}, [SPEC, SIZE], "found arrays 'x', the model's inputs are 'size', 'x'"),
        ({"labels": np.arange(6)}, [SPEC], "found arrays none"),
        ({"x": values()[0]}, [SPEC], "has shape (3, 4, 5); add the batch axis"),
        ({"x": values()[..., None]}, [SPEC], "has shape (6, 3, 4, 5, 1)"),
        ({"x": values().transpose(0, 2, 3, 1)}, [SPEC], "'x' (float32 [?, 3, 4, 5]) has shape (6, 4, 5, 3)"),
        ({"x": values(dtype="int64")}, [SPEC], "is int64; preprocess it as the model wants, to float32"),
        ({"x": values(dtype="uint8")}, [SPEC], "is uint8"),
        ({"x": values(dtype="int64")}, [InputSpec("x", "uint8", SPEC.shape)], "is int64"),
        ({"x": values(dtype="complex64")}, [SPEC], "is complex64"),
        ({"x": values()[:0]}, [SPEC], "holds no samples"),
        ({"x": values(), "size": np.ones((5, 2), np.int64)}, [SPEC, SIZE], "samples per array differ"),
        ({"x": values(), "labels": np.arange(5)}, [SPEC], "labels of shape (5,)"),
        ({"x": values(), "labels": np.ones(6)}, [SPEC], "one whole number per sample"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    tmp_path: Path, arrays: dict[str, Array], specs: list[InputSpec], reason: str
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]  # numpy's stub mixes in allow_pickle

    with pytest.raises(DataError) as caught:
        open_npz(tmp_path / "a.npz", specs)

    assert str(caught.value).startswith(f"{tmp_path / 'a.npz'}: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_name_the_sample(tmp_path: Path, bad: float) -> None:
    array = values()
    array[4, 1, 2, 3] = bad
    np.save(tmp_path / "a.npy", array)

    with pytest.raises(DataError, match=r"a\.npy: array for input 'x' holds NaN or infinity in sample 4"):
        list(open_images(tmp_path / "a.npy", SPEC, batch_size=3))


def test_float64_beyond_float32_is_refused() -> None:
    with pytest.raises(DataError, match="infinity in sample 0; values must be finite float32"):
        list(open_images(np.full((1, 3, 4, 5), 1e300), SPEC))


def _npz(path: Path) -> bytes:
    np.savez_compressed(path, x=np.random.default_rng(0).random((6, 3, 4, 5)))
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "pickle", "flipped"])
def test_a_broken_file_is_named(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    if kind in ("truncated", "flipped"):
        if name == "a.npy":
            np.save(path, values())
        data = bytearray(path.read_bytes() if path.exists() else _npz(path))
        if kind == "flipped" and name == "a.npy":
            data[:6] = b"\x00" * 6
        elif kind == "flipped":
            data[len(data) // 2] ^= 0xFF
        path.write_bytes(data if kind == "flipped" else data[: len(data) // 2])
    elif kind == "pickle":
        objects = np.array([{"a": 1}], dtype=object)
        if name == "a.npy":
            np.save(path, objects)
        else:
            np.savez(path, x=objects)
    else:
        path.write_text("" if kind == "empty" else "not an array")

    with pytest.raises(DataError) as caught:
        open_images(path, SPEC)

    assert str(caught.value).startswith(f"{path}: not a readable {path.suffix} file (")
    assert "\n" not in str(caught.value)
