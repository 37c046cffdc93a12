"""The inputs that the stopwatch makes, and its command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from pyq8.errors import DataError, ModelError
from pyq8.sessions import session
from pyq8.verify import stopwatch


def identity(kind: str) -> bytes:
    text = f'<ir_version: 8, opset_import: ["": 17]> g ({kind} x) => ({kind} y) {{ y = Identity (x) }}'
    data: bytes = onnx.parser.parse_model(text).SerializeToString()
    return data


@pytest.mark.parametrize(
    "kind, size, shape",
    [
        ("float[N, 3, H, W]", None, (2, 3, 224, 224)),
        ("float[N, 3, H, W]", (8, 6), (2, 3, 8, 6)),
        ("float[N, C, 32, W]", (8, 6), (2, 3, 32, 6)),
        ("uint8[N, H, W, 3]", None, (2, 300, 300, 3)),
        ("uint8[N, H, W, 3]", (8, 6), (2, 8, 6, 3)),
        ("float[N, H, W]", (8, 6), (2, 8, 6)),
        ("float[N, F]", (8, 6), (2, 6)),
        ("int64[N]", None, (2,)),
        ("float", None, ()),
        ("float[1, 2]", None, (1, 2)),
    ],
)
def test_open_dimensions_are_filled(kind: str, size: tuple[int, int] | None, shape: tuple[int, ...]) -> None:
    model = session(identity(kind))

    x = stopwatch.make_inputs(model, 2, size)["x"]

    assert x.shape == shape
    assert model.run(None, {"x": x})[0].shape == shape


def test_noise_is_the_same_every_time() -> None:
    model = session(identity("float[N, 3, 8, 8]"))
    a, b = (stopwatch.make_inputs(model, 4)["x"] for _ in range(2))
    assert np.array_equal(a, b)
    assert a.std() > 0.5


@pytest.mark.parametrize("kind", ["float16", "double", "bool", "int8", "int32", "int64", "uint8"])
def test_every_common_type_is_fed(kind: str) -> None:
    model = session(identity(f"{kind}[N, 4]"))
    assert model.run(None, stopwatch.make_inputs(model, 3))[0].shape == (3, 4)


def test_a_fixed_batch_is_refused_not_ignored() -> None:
    with pytest.raises(ModelError, match="batch of input 'x' is fixed at 1, not 2"):
        stopwatch.make_inputs(session(identity("float[1, 3, 8, 8]")), 2)


def test_a_string_input_needs_real_data() -> None:
    with pytest.raises(ModelError, match="give real inputs"):
        stopwatch.make_inputs(session(identity("string[N]")), 1)


def test_feeds_are_repeated_or_cut_to_the_batch() -> None:
    model = session(identity("float[N, 2]"))
    feeds = {"any_name": np.array([[1, 2], [3, 4]], np.float32)}
    assert stopwatch.fit_feeds(model, feeds, 3)["x"].tolist() == [[1, 2], [3, 4], [1, 2]]
    assert stopwatch.fit_feeds(model, feeds, 1)["x"].tolist() == [[1, 2]]


def test_a_missing_feed_is_named() -> None:
    with pytest.raises(DataError, match="no data for input 'x'; there is a, b"):
        stopwatch.fit_feeds(session(identity("float[N, 2]")), {"a": np.ones(1), "b": np.ones(1)}, 1)


def test_the_command_prints_one_json_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.onnx").write_bytes(identity("float[N, 3, H, W]"))
    np.savez(tmp_path / "f.npz", x=np.ones((1, 3, 4, 4), np.float32))
    path = str(tmp_path / "m.onnx")

    assert stopwatch.main([path, "--batch=2", "--threads=1", "--seconds=0", "--size=8x6"]) == 0
    assert stopwatch.main([path, "--seconds=0", f"--feeds={tmp_path / 'f.npz'}"]) == 0

    first, _ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert set(first) == {
        "median_ms", "p90_ms", "p99_ms", "runs", "load_s", "peak_rss_mib", "batch", "threads",
    }  # fmt: skip
    assert (first["batch"], first["threads"]) == (2, 1)
    assert 0 < first["median_ms"] <= first["p90_ms"] <= first["p99_ms"]
    assert first["runs"] >= 3


def test_the_command_fails_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "f.npz", x=np.ones((1, 5), np.float32))
    (tmp_path / "m.onnx").write_bytes(identity("float[N, 4]"))

    code = stopwatch.main([str(tmp_path / "m.onnx"), f"--feeds={tmp_path / 'f.npz'}"])

    said = capsys.readouterr()
    assert code == 3
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "m.onnx: does not run on x (1, 5)" in said.err


@pytest.mark.parametrize("size", ["8", "8x", "0x8", "axb", "1x2x3"])
def test_a_size_that_cannot_be_is_a_wrong_usage(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        stopwatch.main(["m.onnx", f"--size={size}"])
    assert "not HxW" in capsys.readouterr().err
