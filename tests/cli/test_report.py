"""`pyq8 report`, `quantize --report` and `pyq8 compare` as a user runs them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pyq8.report import gather
from pyq8.report.document import Missing
from tests.cli.run import run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str,
         digits_preprocess: str) -> Path:  # fmt: skip
    """A folder with the INT8 model and the report of `quantize`."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "time_both", lambda *_: Missing("the models were not timed"))
        code, out, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                         "--samples", "8", "--effort", "fast", "-o", str(folder / "int8.onnx"),
                         "--report", str(folder / "report.html"))  # fmt: skip
    assert code == 0 and out.splitlines()[-1] == f"report      {folder / 'report.html'}"
    return folder


def test_quantize_writes_a_report_that_judges_nothing(made: Path, digits_images: str) -> None:
    text = (made / "report.html").read_text()
    assert "Not judged: these are its calibration images" in text and "8 images that it was calibrated on" in text
    assert f"--calib {digits_images}" in text and "--effort fast" in text


def test_a_report_that_cannot_be_written_leaves_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    monkeypatch.setattr(gather, "time_both", lambda *_: Missing("the models were not timed"))
    model = tmp_path / "int8.onnx"
    code, out, err = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                         "--samples", "4", "--effort", "fast", "-o", str(model), "--report", "/dev/full")  # fmt: skip
    assert code == 3 and model.exists() and "report  " not in out
    *_, last = err.splitlines()  # behind what is doubtful with 4 images
    assert last == f"pyq8: /dev/full: cannot be written: No space left on device; the model is kept: {model}"


def test_report_exits_as_check_does_and_says_where_it_is(
    made: Path, tmp_path: Path, digits_model: str, digits_images: str
) -> None:
    argv = [digits_model, str(made / "int8.onnx"), "--data", digits_images, "--samples", "20", "--max-drop", "-50"]
    page, figures = tmp_path / "r.html", tmp_path / "r.json"
    code, out, _ = run("report", *argv, "--rounds", "0", "-o", str(page), "--json", str(figures))
    assert code == 1 and out.splitlines()[-2:] == ["FAILED", f"report      {page}"]
    assert "Failed" in page.read_text() and "--max-drop -50.0" in page.read_text()
    data = json.loads(figures.read_text())
    assert (data["kind"], data["verdict"], data["speed"]) == ("pyq8 report", "failed", None)
    assert data["layers"]["rows"] and data["sizes"][0] > data["sizes"][1]


def test_without_the_extra_it_says_so_before_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits_model: str, digits_images: str
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for argv in (
        ["report", digits_model, "nothing.onnx", "--data", digits_images],
        ["quantize", digits_model, "--calib", digits_images, "-o", str(tmp_path / "q.onnx"), "--report", "r.html"],
    ):
        code, _, err = run(*argv)
        assert code == 2
        assert err == "pyq8: the report needs jinja2; install it with: pip install 'pyq8[report]'\n"
    assert not list(tmp_path.iterdir())


def test_a_report_needs_images(tmp_path: Path, digits_model: str) -> None:
    code, _, err = run("quantize", digits_model, "--plan", "p.json", "--report", str(tmp_path / "r.html"))
    assert code == 2 and "--report compares the models on images: add --calib PATH" in err


def test_compare_shows_what_differs(made: Path, tmp_path: Path, digits_model: str, digits_images: str) -> None:
    files = []
    for samples in ("4", "8"):
        files.append(str(tmp_path / f"{samples}.json"))
        argv = [digits_model, str(made / "int8.onnx"), "--data", digits_images, "--samples", samples]
        run("check", *argv, "--json", files[-1])
    code, out, _ = run("compare", *files)
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.split()[0] == "accuracy.samples"]
    assert line.split() == ["accuracy.samples", "4", "8", "+4", "(+100.0%)"]
    assert out.splitlines()[-1].endswith("figures and texts differ")
    code, out, _ = run("compare", *files, "--json", "-")
    assert code == 0 and json.loads(out)["of"] == "pyq8 check"


def test_compare_of_two_commands_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"kind": "pyq8 bench", "schema": 2}')
    (tmp_path / "b.json").write_text('{"kind": "pyq8 check", "schema": 1}')
    code, out, err = run("compare", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert code == 3 and not out and len(err.splitlines()) == 1 and "give two files of the same command" in err
