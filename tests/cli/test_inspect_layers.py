"""`pyq8 inspect --data`: the layers of the embedded network, ranked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

import pyq8
from pyq8.errors import UsageError
from pyq8.ranking.sensitivity import Sensitivity, SensitivityReport
from tests.cli.run import run


@pytest.fixture(scope="module")
def two_layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A model whose second convolution has an outlier in channel 3, and images for it."""
    folder = tmp_path_factory.mktemp("layers")
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 17]>
        g (float[N, 8, 12, 12] x) => (float[N, C, H, W] y) {
            [one] a = Conv(x, w1) [act] b = Relu(a) [bad] c = Conv(b, w2) [three] y = Conv(c, w3)
        }""")
    rng = np.random.default_rng(0)
    shapes = {"w1": (16, 8, 1, 1), "w2": (16, 16, 3, 3), "w3": (16, 16, 1, 1)}
    weights = {name: rng.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    weights["w2"][3, 5, 1, 1] = 200
    proto.graph.initializer.extend(numpy_helper.from_array(w, name) for name, w in weights.items())
    model, images = str(folder / "m.onnx"), str(folder / "x.npy")
    onnx.save(proto, model)
    np.save(images, rng.standard_normal((20, 8, 12, 12)).astype(np.float32))
    return model, images


def test_the_bad_layer_is_first_with_its_channel_and_its_times(two_layers: tuple[str, str]) -> None:
    model, images = two_layers
    code, text, _ = run("inspect", model, "--data", images)

    assert code == 0
    lines = text.splitlines()
    assert lines[0].split() == ["alone", "INT8", "FP32", "gains", "INT8", "us", "FP32", "us", "node"]
    first = lines[1].split()
    assert first[6] == "bad" and float(first[4]) > 0 and float(first[5]) > 0
    assert "channel 3 is off by" in lines[1]
    assert lines[4].startswith("all in INT8: ") and lines[4].endswith("on 16 images, judged at y")
    assert lines[5] == f"next        pyq8 quantize {model} --calib {images} --exclude bad"


def test_the_json_reads_back(two_layers: tuple[str, str], tmp_path: Path) -> None:
    model, images = two_layers
    file = tmp_path / "layers.json"
    code, _, _ = run("inspect", model, "--data", images, "--samples", "3", "--json", str(file))

    data = json.loads(file.read_text())
    assert code == 0
    assert (data["kind"], data["schema"], data["samples"]) == ("pyq8 layers", 1, 3)
    report = SensitivityReport.from_json(data)
    assert report.rows[0].group == "bad" and report.rows[0].why is not None
    assert {row.group for row in report.rows} == {"one", "bad", "three"}


def test_options_reach_the_library(two_layers: tuple[str, str]) -> None:
    model, images = two_layers
    code, text, _ = run("inspect", model, "--data", images, "--samples", "2", "--exclude", "bad", "--json", "-",
                        "--observer", "minmax", "--target", "avx2", "--placement", "all", "--seed", "1")  # fmt: skip

    report = SensitivityReport.from_json(json.loads(text))
    assert code == 0
    assert {row.group for row in report.rows} == {"one", "three"}
    channels = [row.why.channel for row in report.rows if row.why and row.why.channel]
    assert len(channels) == 2 and all(channel.levels < 120 for channel in channels)  # of 127: pairs would saturate


@pytest.mark.parametrize(("options", "told"), [
    (("--samples", "3"), "add --data PATH, or leave them out"),
    (("--exclude", "bad"), "add --data PATH, or leave them out"),
    (("--data", "IMAGES", "--observer", "nonsense"), "nonsense"),
    (("--data", "IMAGES", "--exclude", "nonsense"), "'nonsense' matches no node"),
    (("--data", "IMAGES", "--preset", "imagenet"), "--preset is for images"),
])  # fmt: skip
def test_an_option_that_cannot_be(two_layers: tuple[str, str], options: tuple[str, ...], told: str) -> None:
    model, images = two_layers
    code, _, error = run("inspect", model, *(images if o == "IMAGES" else o for o in options))

    assert code == 2
    assert told in error and len(error.splitlines()) == 1


def test_a_quantized_model_has_no_layers_to_rank(two_layers: tuple[str, str], tmp_path: Path) -> None:
    model, images = two_layers
    int8 = str(tmp_path / "m.int8.onnx")
    pyq8.quantize(model, images, samples=2).save(int8)

    code, _, error = run("inspect", int8, "--data", images)

    assert code == 3
    assert "already quantized" in error and len(error.splitlines()) == 1


def test_a_model_that_is_faster_in_fp32_has_no_layers_to_rank(tmp_path: Path) -> None:
    proto = onnx.parser.parse_model("""<ir_version: 9, opset_import: ["": 17]>
        g (float[1, 24, 112, 112] x) => (float[1, 24, 108, 108] y) { [one] y = Conv<group = 24>(x, w) }""")
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((24, 1, 5, 5), np.float32), "w"))
    onnx.save(proto, tmp_path / "m.onnx")

    with pytest.raises(UsageError, match="every node is faster in FP32; --placement all"):
        pyq8.rank_layers(tmp_path / "m.onnx", np.ones((1, 24, 112, 112), np.float32))


def test_a_layer_that_was_not_found_in_what_runs_has_no_time() -> None:
    report = SensitivityReport((Sensitivity("conv", ("conv",), 1e-3, 1e-4, None, 12.3),), 1e-3, ("a", "b", "c", "d"), 2)

    lines = str(report).splitlines()

    assert lines[1].split() == ["30.0", "dB", "+10.00", "dB", "-", "12", "conv"]
    assert lines[2].endswith("judged at a, b, c and 1 more")


def test_layers_are_ranked_without_corrections_of_other_layers(
    two_layers: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyq8.ranking import rank

    model, images = two_layers
    first = pyq8.rank_layers(model, images, samples=3)

    monkeypatch.setattr(rank, "own_corrections", lambda _model, plan, _calibration: plan)
    second = pyq8.rank_layers(model, images, samples=3)

    assert first.noise != second.noise
    rows = ({r.group: r.alone_fp32 for r in report.rows} for report in (first, second))
    assert next(rows) != next(rows)


def test_what_comes_next_takes_the_same_preprocessing(
    digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    code, text, _ = run(
        "inspect", digits_model, "--data", digits_images, "--preprocess", digits_preprocess, "--samples", "2"
    )

    assert code == 0
    assert f"--calib {digits_images} --preprocess {digits_preprocess} --exclude " in text.splitlines()[-1]
