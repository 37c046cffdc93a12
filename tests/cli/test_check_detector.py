"""`pyq8 check --metric map` on small detectors and drawn images, as a user would run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from pyq8.report import gather
from pyq8.report.document import Missing
from tests.cli.run import run

DETECTOR = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 32, 32] x) => (float[2, 4] boxes, float[2] scores, int64[2] labels) {
    c = Conv (x, w)
    p = GlobalAveragePool (c)
    s = Sigmoid (p)
    scores = Reshape (s, two)
    boxes = Identity (where)
    labels = Identity (which)
}
"""
HEADS = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 32, 32] x) => (float[N, A, 4] offsets, float[N, A, C] logits) {
    c = Conv (x, w)
    p = GlobalAveragePool (c)
    logits = Reshape (p, shape)
    o = Sub (logits, logits)
    offsets = Concat <axis = 2> (o, o)
}
"""
PICKED = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 32, 32] x) => (float[2, 4] boxes, float[2] scores, int64[2] labels) {
    c = Conv (x, w, b)
    p = GlobalAveragePool (c)
    s = Sigmoid (p)
    both = Reshape (s, two)
    scores, order = TopK (both, two)
    boxes = Gather (where, order)
    labels = Gather (which, order)
}
"""
YOLO = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[1, 3, 32, 32] x) => (float[1, 6, 21] output0) {
    c = Conv (x, w)
    p = GlobalAveragePool (c)
    s = Sigmoid (p)
    column = Reshape (s, shape)
    scores = Pad (column, pads)
    output0 = Concat <axis = 1> (boxes, scores)
}
"""
BOXES = np.array([[2, 2, 14, 14], [16, 16, 30, 30]], np.float32)
BRIGHT, DARK = (np.array([[k] * 3, [-k] * 3], np.float32)[:, :, None, None] / 60 for k in (1, -1))


def write(path: Path, text: str, weight: np.ndarray, **more: np.ndarray) -> str:
    model = onnx.parser.parse_model(text)
    for name, array in {"w": weight, **more}.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.save(model, path)
    return str(path)


def detector(path: Path, weight: np.ndarray) -> str:
    """Its first box is surer the brighter the image, its second the darker."""
    return write(path, DETECTOR, weight, where=BOXES, which=np.array([1, 2]), two=np.array([2]))


def picked(path: Path, weight: np.ndarray) -> str:
    """It is sure of both boxes, the surer one first: which one that is hangs on little."""
    more = {"b": np.array([3, 3], np.float32), "where": BOXES, "which": np.array([1, 2]), "two": np.array([2])}
    return write(path, PICKED, weight, **more)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("coco"))


def draw(folder: Path) -> Path:
    """Thirty images twice as wide as the input; the bright half shows object 1, the dark half object 2."""
    images, annotations = [], []
    for i in range(30):
        level = 60 + 4 * i
        Image.new("RGB", (64, 32), (level, level, level)).save(folder / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 32})
        left, top, right, bottom = map(float, BOXES[0 if i >= 15 else 1])
        box = [2 * left, top, 2 * (right - left), bottom - top]
        annotations.append({"id": i, "image_id": i, "category_id": 1 if i >= 15 else 2, "bbox": box})
    (folder / "annotations.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder


STRETCH = "stretch = [32, 32]\nmean = [120, 120, 120]\n"


@pytest.fixture
def check(tmp_path: Path, data: Path):  # type: ignore[no-untyped-def]  # a function of strings
    (tmp_path / "p.toml").write_text(STRETCH)
    good, bad = detector(tmp_path / "good.onnx", BRIGHT), detector(tmp_path / "bad.onnx", DARK)
    close = detector(tmp_path / "close.onnx", BRIGHT * np.float32(1.01))

    def run_check(which: str, *more: str) -> tuple[int, str, str]:
        candidate = {"good": close, "bad": bad}[which]
        return run("check", good, candidate, "--data", str(data), "--preprocess", str(tmp_path / "p.toml"), *more)

    return run_check


@pytest.mark.parametrize("metric", ["map", "map50", "map-voc"])
def test_a_good_detector_passes_and_a_bad_one_fails(check, metric: str) -> None:  # type: ignore[no-untyped-def]
    code, text, _ = check("good", "--metric", metric, "--max-drop", "10")
    assert code == 0 and f"{metric} FP32 100, INT8 100" in text
    code, text, _ = check("bad", "--metric", metric, "--max-drop", "10")
    assert code == 1 and "a drop of" in text


def test_without_annotations_fp32_is_the_truth(check) -> None:  # type: ignore[no-untyped-def]
    fp32 = ("--metric", "map50", "--truth", "fp32", "--max-drop", "10")
    assert check("good", *fp32)[0] == 0
    assert check("bad", *fp32)[0] == 1


def test_a_few_images_are_never_enough(check) -> None:  # type: ignore[no-untyped-def]
    code, text, _ = check("good", "--metric", "map", "--samples", "5", "--max-drop", "90")
    assert code == 4 and "too few images that count (5); give at least 10" in text
    code, text, _ = check("good", "--metric", "map")
    assert code == 4 and "[-9.50, 9.50]" in text  # nothing differs in 30 images: the rule of three


def test_a_detector_is_judged_against_a_baseline(check, tmp_path: Path, data: Path) -> None:  # type: ignore[no-untyped-def]
    baseline = ("--metric", "map", "--baseline", str(tmp_path / "b.json"), "--max-drop", "10")
    assert check("good", *baseline, "--update-baseline")[0] == 0
    assert check("good", *baseline)[0] == 0
    assert check("bad", *baseline)[0] == 1
    file = data / "annotations.json"
    before = file.read_text()
    file.write_text(before + " ")
    code, _, error = check("good", *baseline)
    file.write_text(before)
    assert code == 3 and "other images" in error


def test_raw_heads_are_read_as_a_file_says(tmp_path: Path, data: Path) -> None:
    (tmp_path / "p.toml").write_text(STRETCH)
    priors = np.array([[8, 8, 12, 12], [23, 23, 14, 14]]) / 32
    np.save(tmp_path / "priors.npy", priors)
    (tmp_path / "d.toml").write_text(
        'boxes = "offsets"\nscores = "logits"\nactivation = "sigmoid"\nbackground = -1\nmin_score = 0.0\n'
        'label_offset = 1\n[priors]\nfile = "priors.npy"\n'
    )
    heads = []
    for name, sign in (("good", 1), ("close", 1.01), ("bad", -1)):
        weight = np.array([[1], [-9], [-9], [-1]], np.float32) * np.ones((4, 3), np.float32) / 60  # prior, class
        weight[[1, 2]] = 0
        weight = weight * np.float32(sign)
        shape = np.array([-1, 2, 2])
        heads.append(write(tmp_path / f"{name}.onnx", HEADS, weight[:, :, None, None], shape=shape))
    options = ["--data", str(data), "--preprocess", str(tmp_path / "p.toml"), "--metric", "map50", "--max-drop", "10"]
    code, _, error = run("check", *heads[:2], *options)
    assert code == 3 and "raw heads" in error and "--detector" in error and error.count("\n") == 1
    options += ["--detector", str(tmp_path / "d.toml")]
    assert run("check", *heads[:2], *options)[0] == 0
    assert run("check", heads[0], heads[2], *options)[0] == 1


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [(["--metric", "map", "--truth", "gt"], 2, "--truth: 'gt'"),
     (["--metric", "sqnr", "--truth", "fp32"], 2, "--truth"),
     (["--metric", "sqnr", "--detector", "d.toml"], 2, "--detector"),
     (["--metric", "map", "--detector", "no.toml"], 3, "no.toml: cannot be read")],
)  # fmt: skip
def test_options_that_do_not_fit(check, options: list[str], code: int, word: str) -> None:  # type: ignore[no-untyped-def]
    found, _, error = check("good", *options)
    assert found == code and word in error and error.count("\n") == 1


def test_cropped_images_and_missing_annotations_are_refused(
    tmp_path: Path, data: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    model = detector(tmp_path / "m.onnx", BRIGHT)
    code, _, error = run("check", model, model, "--data", str(data), "--preset", "imagenet", "--metric", "map")
    assert code == 3 and "cropped" in error and error.count("\n") == 1
    code, _, error = run("check", digits_model, digits_model, "--data", digits_images, "--preprocess",
                         digits_preprocess, "--metric", "map")  # fmt: skip
    assert code == 3 and "no annotations.json" in error and error.count("\n") == 1


def test_the_extra_is_named_where_it_is_missing(check, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(__import__("sys").modules, "faster_coco_eval", None)
    code, _, error = check("good", "--metric", "map")
    assert code == 2 and "pip install 'pyq8[detection]'" in error and error.count("\n") == 1


def test_boxes_in_another_order_pass_where_nothing_was_asked_for(tmp_path: Path, data: Path) -> None:
    (tmp_path / "p.toml").write_text(STRETCH)
    models = [picked(tmp_path / f"{k}.onnx", BRIGHT * np.float32(k / 100)) for k in (1, -1)]
    given = [*models, "--data", str(data), "--preprocess", str(tmp_path / "p.toml")]

    assert run("check", *given, "--metric", "sqnr")[0] == 1
    code, text, _ = run("check", *given, "--max-drop", "10")

    assert code == 0 and "judged by --metric map50 --truth fp32" in text and "sqnr" not in text
    code, _, error = run("check", *given, "--min", "15")
    assert code == 2 and "--min does not fit map50" in error


def test_a_yolo_that_finds_something_else_fails_where_nothing_was_asked_for(tmp_path: Path, data: Path) -> None:
    (tmp_path / "p.toml").write_text(STRETCH)
    more = {"shape": np.array([1, 2, 1]), "pads": np.array([0, 0, 0, 0, 0, 20])}
    more["boxes"] = np.tile(np.array([16, 16, 20, 20], np.float32)[:, None], (1, 1, 21))
    models = [write(tmp_path / f"{k}.onnx", YOLO, BRIGHT * np.float32(k), **more) for k in (1, -1)]
    given = [*models, "--data", str(data), "--preprocess", str(tmp_path / "p.toml")]

    assert run("check", *given, "--metric", "sqnr")[0] == 0  # coordinates drown the scores
    code, text, _ = run("check", *given)

    assert code == 1 and "judged by --metric map50 --truth fp32" in text
    assert run("check", models[0], *given[:1], *given[2:])[0] == 0


def test_quantize_judges_no_boxes_by_sqnr(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "time_both", lambda *_: Missing("the models were not timed"))
    (tmp_path / "p.toml").write_text(STRETCH)
    model, page = picked(tmp_path / "m.onnx", BRIGHT / 100), tmp_path / "r.html"
    argv = [model, "--calib", str(data), "--preprocess", str(tmp_path / "p.toml"), "--effort", "fast"]

    code, text, _ = run("quantize", *argv, "--placement", "all", "--report", str(page))

    assert code == 0 and "--metric map50 --truth fp32\n" in text
    assert " dB" not in next(line for line in text.splitlines() if line.startswith("outputs"))
    assert "map50; FP32 100 %" in page.read_text()
    monkeypatch.setitem(__import__("sys").modules, "faster_coco_eval", None)
    code, _, _ = run("quantize", *argv, "--placement", "all", "--report", str(page))
    assert code == 0 and "pip install" in page.read_text() and "SQNR stands here instead" in page.read_text()


def test_tune_judges_as_check_does(tmp_path: Path, data: Path) -> None:
    (tmp_path / "p.toml").write_text(STRETCH)
    model = picked(tmp_path / "m.onnx", BRIGHT / 100)
    argv = [model, "--calib", str(data), "--data", str(data), "--preprocess", str(tmp_path / "p.toml")]

    code, _, error = run("tune", *argv, "--min", "15", "--effort", "fast", "--placement", "all")

    assert code == 2 and "--min does not fit map50" in error
