"""`pyq8 tune`: the table, the exit codes, and what is left when it is interrupted at any moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyq8.model.file import load
from tests.cli.run import run
from tests.cli.test_check_detector import BRIGHT, STRETCH, detector, draw
from tests.tuning.fixed_times import fix
from tests.tuning.spread_net import SpreadNet, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> SpreadNet:
    return write(tmp_path_factory.mktemp("net"), blocks=4, spread=(2,), images=100)


@pytest.fixture(autouse=True)
def _fixed_times(monkeypatch: pytest.MonkeyPatch) -> None:
    fix(monkeypatch.setattr)


def arguments(net: SpreadNet, out: Path, *more: str) -> list[str]:
    return [
        "tune",
        str(net.model),
        "--calib",
        str(net.calib),
        "--data",
        str(net.data),
        "-o",
        str(out),
        "--effort",
        "fast",
        *more,
    ]


@pytest.fixture(scope="module")
def whole(net: SpreadNet, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """What a run that nobody interrupts writes, prints and exits with."""
    out = tmp_path_factory.mktemp("whole") / "o.onnx"
    with pytest.MonkeyPatch.context() as patch:
        fix(patch.setattr)
        code, text, _ = run(*arguments(net, out, "--max-drop", "0.5", "--json", str(out.parent / "t.json")))
    return out, text, code


def interrupted(net: SpreadNet, out: Path, how: signal.Signals, trials: int) -> tuple[int, str, str]:
    """Run in a process of its own and send it a signal while it works on the trial behind `trials`."""
    command = [sys.executable, "-m", "tests.tuning.fixed_times", *arguments(net, out, "--max-drop", "0.5")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:  # fmt: skip
        assert process.stdout is not None
        said = ""
        while not said.rpartition("\n")[0].rpartition("\n")[2].startswith(f"{trials:5} "):
            line = process.stdout.readline()
            assert line, said
            said += line
        process.send_signal(how)
        rest, errors = process.communicate()
    return process.returncode, said + rest, errors


def best_rows(text: str) -> list[list[str]]:
    """Number, groups, drop and ms of the trials that were the best so far."""
    return [line.split()[:4] for line in text.splitlines() if "best so far" in line]


def test_the_table_says_what_was_tried_and_the_end_what_was_found(whole: tuple[Path, str, int]) -> None:
    out, text, code = whole
    first, *lines = text.splitlines()
    assert first.startswith("quantizing ") and first.endswith(", then trying what to return to FP32")
    assert "search on calibration images, verdict on others; 100 images to search on, judged by top1" in lines[0]
    assert lines[1] == "14 groups of nodes; an image takes 10.00 ms in FP32, 4.00 in INT8"
    assert lines[2].split() == ["trial", "FP32", "groups", "top1", "drop", "ms", "(estimated)"]
    number, groups, drop, ms, *_ = lines[3].split()
    assert (number, groups, ms) == ("1", "0", "4.00") and float(drop) > 0.5 and "best so far" in lines[3]
    assert any("about" in line and "min" in line for line in lines[4:7])
    assert {"FP32   depthwise2", "FP32   project2"} == {line for line in lines if line.startswith("FP32 ")}
    kept = next(line for line in lines if "kept" in line)
    assert "times as fast as FP32" in kept and kept.split()[0] == "2"
    assert lines[-1] == "INCONCLUSIVE" and code == 4 and "at most 0.5 allowed; too few images" in lines[-2]
    data = json.loads((out.parent / "t.json").read_text())
    assert data["kind"] == "pyq8 tune" and set(data["best"]["floats"]) == {"depthwise2", "project2"}


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
@pytest.mark.parametrize("trials", [1, 2])
def test_interrupted_it_leaves_the_best_model_and_goes_on_from_there(
    net: SpreadNet, whole: tuple[Path, str, int], tmp_path: Path, how: signal.Signals, code: int, trials: int
) -> None:
    out = tmp_path / "o.onnx"

    found, said, errors = interrupted(net, out, how, trials)

    assert found == code
    assert len(load(out, quantized=True).graph) > 0
    state = json.loads(Path(f"{out}.tune.json").read_text())
    assert len(state["trials"]) >= trials
    if how == signal.SIGINT:
        done = int(said.splitlines()[-1].split()[0])
        expected = f"pyq8: interrupted; {out} is the best of {done} trials, and the same command goes on from there"
        assert errors.strip() == expected
    code, text, _ = run(*arguments(net, out, "--max-drop", "0.5"))
    assert text.count("from before") >= trials
    assert (code, out.read_bytes()) == (whole[2], whole[0].read_bytes())
    assert best_rows(text) == best_rows(whole[1])


def test_interrupted_before_the_first_trial_nothing_was_written(
    net: SpreadNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyq8.tuning import tune

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "lay_groundwork", lambda *_, **__: stop())
    code, _, error = run(*arguments(net, tmp_path / "o.onnx", "--max-drop", "0.5"))
    assert code == 130 and "nothing was written" in error and not list(tmp_path.iterdir())
    (tmp_path / "o.onnx.tune.json").write_text("{}")  # of an earlier run
    code, _, error = run(*arguments(net, tmp_path / "o.onnx", "--max-drop", "0.5"))
    expected = f"pyq8: interrupted; {tmp_path / 'o.onnx'} is as it was, and the same command goes on from there"
    assert (code, error.strip()) == (130, expected)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [([], 2, "say --max-drop"), (["--max-latency", "soon"], 2, "like 0.6x"), (["--max-drop", "nan"], 2, "finite"),
     (["--max-drop", "1", "--metric", "tpo1"], 2, "did you mean"), (["--min", "3"], 2, "--min does not fit top1"),
     (["--max-drop", "1", "--split", "val"], 2, "--split is for images"),
     (["--max-drop", "1", "--exclude", "nothing"], 2, "matches no node"),
     (["--max-drop", "1", "--metric", "map"], 3, "annotations"),
     (["--max-drop", "1", "--confidence", "3"], 2, "--confidence")],
)  # fmt: skip
def test_what_cannot_be_is_one_line(
    net: SpreadNet, tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    found, text, error = run(*arguments(net, tmp_path / "o.onnx", *options))
    assert (found, error.count("\n")) == (code, 1) and message in error
    assert not list(tmp_path.iterdir()), text


def test_the_model_itself_is_never_overwritten(net: SpreadNet) -> None:
    code, _, error = run(*arguments(net, net.model, "--max-drop", "1"))
    assert code == 2 and "would overwrite the FP32 model" in error


def test_with_json_on_stdout_there_is_nothing_else(net: SpreadNet, tmp_path: Path) -> None:
    code, text, _ = run(*arguments(net, tmp_path / "o.onnx", "--max-drop", "90", "--json", "-"))
    assert code == 0 and json.loads(text)["searched"] == 1


def test_a_detector_is_tuned_on_half_of_the_annotated_images(tmp_path: Path) -> None:
    (folder := tmp_path / "coco").mkdir()
    (tmp_path / "p.toml").write_text(STRETCH)
    coco, model = str(draw(folder)), detector(tmp_path / "d.onnx", BRIGHT)
    code, text, error = run("tune", model, "--calib", coco, "--data", coco, "--preprocess", str(tmp_path / "p.toml"),
                            "--metric", "map50", "--max-drop", "10", "-o", str(tmp_path / "o.onnx"))  # fmt: skip
    assert code in (0, 4), error
    assert "search on one half of the images" in text and "judged by map50" in text
