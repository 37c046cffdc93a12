"""--workers and --dask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.run import run
from tests.workers.test_processes import wait_until_gone


def test_they_exclude_each_other(digits_model: str, digits_images: str) -> None:
    code, _, err = run("quantize", digits_model, "--calib", digits_images, "--workers", "2", "--dask", "tcp://x:1")

    assert (code, err) == (2, "pyq8: --workers and --dask exclude each other; give one\n")


def test_ctrl_c_ends_the_workers_and_leaves_nothing(digits_model: str, digits_images: str, tmp_path: Path) -> None:
    temporary, out = tmp_path / "tmp", tmp_path / "out.onnx"
    temporary.mkdir()
    command = ["-m", "pyq8", "quantize", digits_model, "--calib", digits_images, "--workers", "2", "-o", str(out)]
    running = subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal sends Ctrl-C to all processes of its group
    )
    children = Path(f"/proc/{running.pid}/task")
    pids: list[int] = []
    while len(pids) < 3:  # two workers, and Python's own process that tracks them
        pids = [int(pid) for task in children.glob("*/children") for pid in task.read_text().split()]
        assert running.poll() is None
        time.sleep(0.02)

    os.killpg(running.pid, signal.SIGINT)
    _, err = running.communicate()

    assert (running.returncode, err.strip()) == (130, "pyq8: interrupted; nothing was written")
    wait_until_gone(pids)
    assert not list(temporary.glob("[!.]*")) and not out.exists()  # .ses is of onnxruntime
