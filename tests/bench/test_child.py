"""Starting a stopwatch: it is found, and what becomes of it when it or we are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyq8.bench.child import run_alone
from pyq8.errors import ModelError
from tests.bench.test_stopwatch import model  # noqa: F401  # a fixture


def test_a_failure_names_the_model(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"junk")
    with pytest.raises(ModelError) as caught:
        run_alone("time", str(tmp_path / "m.onnx"))
    assert "m.onnx: onnxruntime cannot load it" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_killed_child_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: killed)
    with pytest.raises(ModelError, match=r"m\.onnx: its process was killed by signal 9"):
        run_alone("time", "m.onnx")
    with pytest.raises(ModelError, match="the peak probe: its process was killed by signal 9"):
        run_alone("peak", "", threads=1, seconds=0)


def test_it_is_found_from_another_directory_that_shadows_modules(
    model: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (tmp_path / "pyq8.py").write_text("raise SystemExit('the wrong pyq8')")

    assert run_alone("time", model, seconds=0, size=(8, 8))["calls"] >= 3


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
def test_an_interrupt_leaves_no_child_behind(model: str) -> None:  # noqa: F811
    code = f"from pyq8.bench.child import run_alone; run_alone('time', {model!r}, seconds=600)"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as parent:
        child = child_of(parent.pid)

        os.kill(parent.pid, signal.SIGINT)
        parent.wait(30)

    assert state(child) in ("", "Z")  # gone, or dead and not yet reaped by init


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def child_of(pid: int) -> int:
    for _ in range(600):
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                return int(stat.parent.name)
        time.sleep(0.05)
    raise AssertionError("no child was started")
