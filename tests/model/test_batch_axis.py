"""Which inputs have a batch axis, and what a run of the others takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

import pyq8
from pyq8.errors import DataError
from pyq8.loaders import open_loader
from pyq8.metrics.sqnr import sqnr
from pyq8.model.batch_axis import find_whole, is_whole, mark_whole
from pyq8.model.intake import Intake, input_specs, intake, single
from pyq8.types import Array, Feeds
from tests.cli.run import run as pyq8_command
from tests.small_models import parse

WEIGHTS = {"w": (16, 3, 3, 3), "w1": (16, 1, 3, 3), "wide": (16, 1, 3), "v": (16, 16, 3, 3)}
CONV = "y = Conv<pads = [1, 1, 1, 1]>"


def whole(inputs: str, body: str, **constants: Array) -> set[str]:
    return set(find_whole(parse(f"g ({inputs}) => (float[A, B, C, D] y) {{ {body} }}", {**WEIGHTS, **constants})))


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


@pytest.mark.parametrize("first", ["N", "1", "4"])
def test_what_a_convolution_reads_as_its_batch_is_one(first: str) -> None:
    assert whole(f"float[{first}, 3, 8, 8] x", f"{CONV}(x, w)") == set()
    assert whole(f"float[{first}, 8, 8, 3] x", f"t = Transpose<perm = [0, 3, 1, 2]>(x) {CONV}(t, w)") == set()
    assert whole(f"float[{first}, 40] x", "u = Unsqueeze(x, axes) y = Conv(u, wide)", axes=ints(1)) == set()


@pytest.mark.parametrize("shape", ["F, 16", "F, G", "20, 16", "20, G"])
def test_frames_and_bins_are_no_batch(shape: str) -> None:
    assert whole(f"float[{shape}] x", f"u = Unsqueeze(x, axes) {CONV}(u, w1)", axes=ints(0, 1)) == {"x"}
    assert whole(f"float[{shape}] x", f"u = Reshape(x, to) {CONV}(u, w1)", to=ints(1, 1, -1, 16)) == {"x"}
    padded = f"p = Pad(x, pads) u = Unsqueeze(p, axes) {CONV}(u, w1)"
    assert whole(f"float[{shape}] x", padded, pads=ints(2, 0, 2, 0), axes=ints(0, 1)) == {"x"}


def test_channels_are_no_batch() -> None:
    assert whole("float[3, H, W] x", f"u = Unsqueeze(x, axes) {CONV}(u, w)", axes=ints(0)) == {"x"}
    last = f"t = Transpose<perm = [2, 0, 1]>(x) u = Unsqueeze(t, axes) {CONV}(u, w)"
    assert whole("float[H, W, 3] x", last, axes=ints(0)) == {"x"}


@pytest.mark.parametrize("images", ["N", "1"])
def test_sizes_scalars_and_weights_are_no_batch(images: str) -> None:
    x = f"float[{images}, 3, 8, 8] x"
    scaled = "a = Conv<pads = [1, 1, 1, 1]>(x, w) y = Mul(a, s)"
    assert whole(f"{x}, float s", scaled) == {"s"}
    assert whole(f"{x}, float[2] s", "a = Conv(x, w) m = ReduceMax<keepdims = 0>(s) y = Mul(a, m)") == {"s"}
    assert whole(f"{x}, float[16] b", "y = Conv(x, w, b)") == {"b"}
    assert whole(f"{x}, float[{images}, 1, 1, 1] s", scaled) == set()


def test_a_batch_of_four_that_shares_a_size_is_one_sample() -> None:
    body = "a = Conv(x, w) m = ReduceMax<keepdims = 0>(s) y = Mul(a, m)"

    assert whole("float[4, 3, 8, 8] x, float[2] s", body) == {"x", "s"}
    assert whole("float[4, 3, 8, 8] x, float[4] s", body) == set()


def test_where_nothing_tells_axis_0_is_the_batch() -> None:
    hidden = f"s = Shape(x) r = Reshape(x, s) u = Unsqueeze(r, axes) {CONV}(u, w)"

    assert whole("float[N, 8, 8] x, float[M, 2] other", hidden + " z = Abs(other)", axes=ints(1)) == set()


def test_marks_survive_copies() -> None:
    model = parse(f"g (float[F, 16] x) => (float[A, B, C, D] y) {{ u = Unsqueeze(x, axes) {CONV}(u, w1) }}",
                  {**WEIGHTS, "axes": ints(0, 1)})  # fmt: skip
    mark_whole(model)

    assert is_whole(model.clone().graph.inputs[0])
    assert intake(model.clone()) == Intake(1, frozenset({"x"}))
    assert input_specs(model)[0].stacked == (None, None, 16)


def test_a_run_takes_one_sample_of_a_whole_input_and_gives_it_back() -> None:
    taken = Intake(1, frozenset({"s"}))
    data = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "s": np.arange(2, dtype=np.float32)}

    runs = [feeds for feeds, _ in single([data], taken)]

    assert [(f["x"].shape, f["s"].shape, float(f["s"])) for f in runs] == [((1, 3), (), 0.0), ((1, 3), (), 1.0)]
    assert taken.samples(runs[1])["s"].tolist() == [1.0]


def load_samples(source: object, count: int | None = None) -> list[Feeds]:
    text = f"g (float[F, 16] x, float[2] s) => (float[A, B, C, D] y) {{ u = Unsqueeze(x, axes) {CONV}(u, w1) }}"
    model = parse(text, {**WEIGHTS, "axes": ints(0, 1)})
    mark_whole(model)
    loader = open_loader(source, input_specs(model), preprocess=None, split="", samples=count, seed=None)  # type: ignore[arg-type]
    return [batch.feeds for batch in loader]


def test_one_sample_several_and_a_shared_one_are_taken_alike(tmp_path: Path) -> None:
    frames, size = np.ones((3, 20, 16), np.float32), np.array([4, 5], np.float32)
    np.savez(tmp_path / "several.npz", x=frames, s=size)
    np.savez(tmp_path / "one.npz", x=frames[0], s=size)

    several, one = load_samples(tmp_path / "several.npz"), load_samples(tmp_path / "one.npz")
    listed = load_samples([{"x": frames[0], "s": size}, {"x": frames[:, :7], "s": np.stack([size] * 3)}])

    assert [f["x"].shape for f in several] == [(1, 20, 16)] * 3
    assert [f["s"].tolist() for f in several] == [[[4, 5]]] * 3
    assert [(f["x"].shape, f["s"].shape) for f in one] == [((1, 20, 16), (1, 2))]
    assert [f["x"].shape for f in listed] == [(1, 20, 16), (3, 7, 16)]


@pytest.mark.parametrize(
    ("x", "s", "reason"),
    [
        ((3, 20, 16), (2, 2), "samples per array differ ({'x': 3, 's': 2})"),
        ((20, 15), (2,), "'x' (float32 [?, 16]), which has no batch axis, has samples of shape (20, 15)"),
        ((16,), (2,), "has shape (16,); it has no batch axis: give one sample of its shape, or several"),
        ((20, 16), (3,), "'s' (float32 [2]), which has no batch axis, has samples of shape (3,)"),
    ],
)
def test_what_does_not_fit_a_whole_input_is_refused(x: tuple[int, ...], s: tuple[int, ...], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        load_samples([{"x": np.ones(x, np.float32), "s": np.ones(s, np.float32)}])

    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_an_input_without_any_shape_is_said() -> None:
    model = parse(f"g (float[N, 3, 8, 8] x) => (float[A, B, C, D] y) {{ {CONV}(x, w) }}", WEIGHTS)
    model.graph.inputs[0].shape = None

    with pytest.raises(DataError, match="input 'x' has no shape in the model"):
        list(open_loader([np.ones((1, 3, 8, 8), np.float32)], input_specs(model), preprocess=None, split="",
                         samples=None, seed=None))  # fmt: skip


@pytest.fixture
def spectrogram(tmp_path: Path) -> Path:
    """A model of frames and bins, its data, and what it says of each."""
    text = """g (float[frames, 16] x) => (float[K] scores) {
        u = Unsqueeze(x, axes)
        a = Conv<pads = [1, 1, 1, 1]>(u, w1)  r = Relu(a)
        b = Conv<pads = [1, 1, 1, 1]>(r, v)
        g = GlobalAveragePool(b)
        scores = Squeeze(g, most)
    }"""
    model = parse(text, {**WEIGHTS, "axes": ints(0, 1), "most": ints(0, 2, 3)})
    onnx.save(ir.to_proto(model), tmp_path / "m.onnx")
    rng = np.random.default_rng(0)
    for name in ("calib", "other"):
        np.savez(tmp_path / f"{name}.npz", x=(rng.standard_normal((24, 20, 16)) + 0.3).astype(np.float32))
    return tmp_path


def test_a_model_of_frames_is_quantized_whole(spectrogram: Path) -> None:
    data = np.load(spectrogram / "calib.npz")["x"]
    fp32 = pyq8.session(spectrogram / "m.onnx")

    result = pyq8.quantize(spectrogram / "m.onnx", list(data))
    result.save(spectrogram / "q.onnx")
    stacked = pyq8.quantize(spectrogram / "m.onnx", data)

    int8 = pyq8.session(spectrogram / "q.onnx")
    others = np.load(spectrogram / "other.npz")["x"]
    before, after = (np.stack([s.run(None, {"x": x})[0] for x in others]) for s in (fp32, int8))
    assert result.calibration.samples == 24 == stacked.calibration.samples
    assert result.plan.qparams.keys() == stacked.plan.qparams.keys()
    assert sqnr(before, after) >= 30
    assert result.report.accuracy is not None and result.report.accuracy.samples == 16


@pytest.mark.usefixtures("hasty")
def test_every_command_takes_the_same_samples(spectrogram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(spectrogram)
    judge = ["--metric", "sqnr", "--min", "20"]

    made = pyq8_command("quantize", "m.onnx", "--calib", "calib.npz", "-o", "q.onnx")
    checked = pyq8_command("check", "m.onnx", "q.onnx", "--data", "other.npz", *judge)
    ranked = pyq8_command("inspect", "m.onnx", "--data", "calib.npz")
    tuned = pyq8_command("tune", "m.onnx", "--calib", "calib.npz", "--data", "other.npz", *judge, "-o", "t.onnx")
    timed = pyq8_command("bench", "m.onnx", "q.onnx", "--rounds", "1", "--seconds", "0")
    many = pyq8_command("bench", "m.onnx", "--rounds", "1", "--seconds", "0", "--batch", "2")

    assert [code for code, _, _ in (made, checked, ranked, tuned, timed, many)] == [0, 0, 0, 0, 0, 3]
    assert "no batch axis in 'x'" in made[1] and "calibrated  24 images" in made[1]
    assert checked[1].startswith("24 images")
    assert "16 images, judged at scores" in ranked[1]
    assert "24 images to search on" in tuned[1]
    assert "input 'x' has no batch axis" in many[2]
