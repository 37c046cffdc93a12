"""`pyq8 check` on the embedded network: verdicts, exit codes, and the files that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest

from pyq8 import cpu
from tests.cli.run import run

METRICS = """
import numpy as np

def margin(outputs, label, name):
    scores = np.sort(outputs["logits"])
    return scores[-1] - scores[-2]

def raises(outputs, label, name):
    raise KeyError(f"no annotation of {name}")

def nothing(outputs, label, name):
    return float("nan")

number = 3
"""

FEW = ("--samples", "20", "--max-drop", "20")


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str,
         digits_preprocess: str) -> str:  # fmt: skip
    out = str(tmp_path_factory.mktemp("quantized") / "digits.int8.onnx")
    code, _, _ = run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess,
                     "--samples", "20", "-o", out)  # fmt: skip
    assert code == 0
    return out


@pytest.fixture
def check(int8: str, digits_model: str, digits_images: str):  # type: ignore[no-untyped-def]  # a function of strings
    return lambda *more: run("check", digits_model, int8, "--data", digits_images, *more)


def damaged(int8: str, out: Path) -> str:
    model = onnx.load(int8)
    weight = next(t for t in model.graph.initializer if t.name.endswith("_quantized") and len(t.dims) == 4)
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight)[::-1].copy(), weight.name))
    onnx.save(model, out)
    return str(out)


def test_it_uses_the_preprocessing_that_the_model_remembers(check) -> None:  # type: ignore[no-untyped-def]
    code, text, _ = check()
    assert code == 0
    assert "300 images" in text and "top1" in text and "0.95 confidence" in text and text.rstrip().endswith("passed")


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--metric", "sqnr", "--min", "30"], 0), (["--metric", "sqnr", "--min", "90"], 1),
     (["--metric", "agreement", "--max-drop", "20"], 0), (["--max-drop", "0.5"], 4),
     (["--max-drop", "20", "--min-int8", "1"], 0), (["--metric", "sqnr", "--samples", "5"], 4),
     (["--metric", "sqnr", "--max-drop", "1"], 2), (["--metric", "top1", "--min", "3"], 2),
     (["--metric", "tpo1"], 2), (["--max-drop", "nan"], 2), (["--confidence", "2"], 2), (["--criterion", "luck"], 2),
     (["--update-baseline"], 2), (["--strict-speed"], 2), (["--min-int8", "3"], 2)],
)  # fmt: skip
def test_the_gate_exits_with(check, options: list[str], code: int) -> None:  # type: ignore[no-untyped-def]
    assert check("--samples", "20", *options)[0] == code


def test_a_damaged_layer_fails(tmp_path: Path, int8: str, digits_model: str, digits_images: str) -> None:
    bad, file = damaged(int8, tmp_path / "bad.onnx"), tmp_path / "j.xml"
    code, text, _ = run("check", digits_model, bad, "--data", digits_images, "--junit", str(file))
    assert code == 1 and text.rstrip().endswith("FAILED")
    (failure,) = ElementTree.parse(file).getroot().iter("failure")
    assert "a drop of" in failure.get("message", "")


def test_two_models_that_are_the_same_file_pass_on_any_number_of_images(digits_model: str, digits_images: str,
                                                                        digits_preprocess: str) -> None:  # fmt: skip
    code, text, _ = run("check", digits_model, digits_model, "--data", digits_images, "--samples", "3",
                        "--preprocess", digits_preprocess)  # fmt: skip
    assert code == 0 and "warning: both models are the same file" in text


def test_a_model_without_int8_is_noticed(tmp_path: Path, digits_model: str, digits_images: str,
                                         digits_preprocess: str) -> None:  # fmt: skip
    other = onnx.load(digits_model)
    other.doc_string = "another file"
    onnx.save(other, tmp_path / "other.onnx")
    code, text, _ = run("check", digits_model, str(tmp_path / "other.onnx"), "--data", digits_images, *FEW,
                        "--preprocess", digits_preprocess)  # fmt: skip
    assert code == 0 and "warning: the model to judge computes nothing in INT8" in text


def test_the_json_says_what_was_judged_where_and_by_which_rules(check, tmp_path: Path, int8: str) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "c.json"
    assert check("--json", str(file), "--samples", "20")[0] == 4
    data = json.loads(file.read_text())
    assert (data["kind"], data["verdict"], data["passed"]) == ("pyq8 check", "inconclusive", False)
    assert data["demands"][0]["name"] == "top1" and "too few images" in data["demands"][0]["text"]
    assert (data["metric"], data["confidence"], data["criterion"]) == ("top1", 0.95, "bound")
    assert data["cpu"] == cpu.describe() and set(data["isa"]) == cpu.isa() and "onnxruntime" in data["versions"]
    assert data["candidate"]["path"] == int8 and len(data["candidate"]["sha256"]) == 64
    assert data["reference"]["sha256"] != data["candidate"]["sha256"] and len(data["data_sha256"]) == 64
    row = next(r for r in data["accuracy"]["rows"] if r["metric"] == "top1")
    assert row["low"] < row["drop"] < row["high"] and (row["lost"], row["won"]) == (0, 0)


def test_what_is_inconclusive_is_an_error_in_the_junit_file(check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "j.xml"
    assert check("--samples", "20", "--min-int8", "1", "--junit", str(file))[0] == 4
    suite = ElementTree.parse(file).getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "0", "1")
    assert [case.get("name") for case in suite.iter("testcase")] == ["top1", "kernels"]
    assert [error.get("type") for error in suite.iter("error")] == ["inconclusive"]
    assert {"cpu", "candidate sha256"} <= {p.get("name") for p in suite.iter("property")}


def test_the_summary_of_a_github_job_is_appended_to(  # type: ignore[no-untyped-def]
    check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    assert check(*FEW)[0] == 0
    text = file.read_text()
    assert text.startswith("before\n### pyq8 check: passed") and "| top1 | passed |" in text
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "such"))
    code, _, error = check("--samples", "20")
    assert code == 3 and "GITHUB_STEP_SUMMARY" in error


def test_a_model_is_judged_against_the_baseline_of_an_accepted_one(  # type: ignore[no-untyped-def]
    check, tmp_path: Path, int8: str, digits_model: str, digits_images: str
) -> None:
    file = tmp_path / "baseline.json"
    sqnr = ("--samples", "20", "--metric", "sqnr")
    code, _, error = check("--baseline", str(file))
    assert code == 3 and "--update-baseline" in error and error.count("\n") == 1
    assert check("--baseline", str(file), "--update-baseline", *sqnr)[0] == 0
    code, text, _ = check("--baseline", str(file), *sqnr, "--max-drop", "0.1")
    assert code == 0 and "a drop of 0.00 dB [0.00, 0.00]" in text and "the baseline" in text
    bad = damaged(int8, tmp_path / "bad.onnx")
    code, text, _ = run("check", digits_model, bad, "--data", digits_images, "--baseline", str(file), *sqnr)
    assert code == 1
    before = file.read_bytes()
    code, _, error = run("check", digits_model, bad, "--data", digits_images, "--baseline", str(file),
                         "--update-baseline", *FEW)  # fmt: skip
    assert code == 1 and "did not pass" in error and file.read_bytes() == before


def test_a_baseline_of_something_else_is_refused(check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "baseline.json"
    assert check("--baseline", str(file), "--update-baseline", *FEW)[0] == 0
    for options, word in ((["--metric", "top5"], "is of top1"), (["--samples", "19"], "other images")):
        code, _, error = check("--baseline", str(file), *FEW, *options)
        assert code == 3 and word in error and error.count("\n") == 1
    for content in ("{}", "no JSON", file.read_text().replace('"results": "', '"results": "!')):
        file.write_text(content)
        code, _, error = check("--baseline", str(file), *FEW)
        assert code == 3 and "no baseline of this version" in error and error.count("\n") == 1


@pytest.mark.parametrize(("metric", "limit"), [("sqnr", "--max-drop"), ("top1", "--min"), ("map", "--min")])
def test_a_limit_that_does_not_fit_is_found_before_anything_is_read(metric: str, limit: str) -> None:
    truth = ["--truth", "fp32"] if metric == "map" else []
    code, _, error = run("check", "no.onnx", "no.int8.onnx", "--data", "no", "--metric", metric, limit, "1", *truth)
    assert code == 2 and f"{limit} does not fit {metric}" in error and error.count("\n") == 1


def test_labels_that_the_model_does_not_have_are_found_before_the_work(
    tmp_path: Path, int8: str, digits_model: str
) -> None:
    data = tmp_path / "d.npz"
    np.savez(data, image=np.zeros((50, 1, 32, 32), np.float32), labels=[1] * 49 + [10])
    done: list[int] = []

    import pyq8

    with pytest.raises(pyq8.InputError, match="label 10, but the model has 10 classes"):
        pyq8.check(digits_model, int8, data, progress=lambda *step: done.append(step[1]))
    assert sum(done) == 0


def test_a_metric_of_ones_own(  # type: ignore[no-untyped-def]
    check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_metrics.py").write_text(METRICS)
    monkeypatch.chdir(tmp_path)
    few = ("--samples", "20")
    code, text, _ = check(*few, "--metric", "my_metrics:margin", "--max-drop", "0.5")
    assert code == 0 and "my_metrics:margin" in text
    assert check(*few, "--metric", "my_metrics:margin", "--max-drop", "-0.5")[0] == 1
    for name, code, word in (("raises", 3, "raised on image val_"), ("nothing", 3, "finite"), ("number", 2, "is a int"),
                             ("missing", 2, "cannot be imported")):  # fmt: skip
        found, _, error = check(*few, "--metric", f"my_metrics:{name}", "--max-drop", "1")
        assert found == code and word in error and error.count("\n") == 1
    assert check(*few, "--metric", "no_such_module_anywhere:f")[0] == 2
    code, _, error = check(*few, "--metric", "my_metrics:margin")
    assert code == 2 and "--max-drop" in error


def test_a_cpu_without_vnni_is_told_and_the_sums_do_not_saturate(
    tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx
    import onnx_ir as ir

    from pyq8.runtime import sessions
    from pyq8.runtime.unsaturated import find_saturating

    monkeypatch.setattr(cpu, "isa", lambda: frozenset({"avx2"}))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    out = str(tmp_path / "vnni.onnx")
    run("quantize", digits_model, "--calib", digits_images, "--preprocess", digits_preprocess, "--samples", "20",
        "--target", "vnni", "-o", out)  # fmt: skip
    saturating: list[bool] = []
    make = sessions.session

    def watched(model: str | bytes, **options: object) -> object:
        if options.get("exact") is False and isinstance(model, bytes):
            saturating.append(any(find_saturating(ir.from_proto(onnx.load_model_from_string(model)))))
        return make(model, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sessions, "session", watched)
    code, text, _ = run("check", digits_model, out, "--data", digits_images, *FEW)
    assert code == 0 and "session.x64quantprecision = 1" in text
    assert set(saturating) == {False}


@pytest.mark.usefixtures("hasty")
def test_a_speedup_that_no_model_has(check, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, text, _ = check(*FEW, "--min-speedup", "1000")
    assert code == 0 and "at least 1000x demanded; --strict-speed" in text
    file = tmp_path / "c.json"
    assert check(*FEW, "--min-speedup", "1000", "--strict-speed", "--json", str(file))[0] == 1
    assert len(json.loads(file.read_text())["speed"]["rows"]) == 2
