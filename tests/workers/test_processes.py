"""Worker processes: lost ones are replaced, a few times; none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from pyq8.errors import UsageError, WorkerError
from pyq8.workers.processes import TRIES, Workers


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    while any(map(alive, pids)):  # pytest would be stopped, were they to stay
        time.sleep(0.02)


def die_once(mark: Path) -> int:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def die_and_count(tally: Path) -> None:
    with tally.open("a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def pid_and_sleep(file: Path) -> None:
    with tempfile.TemporaryDirectory(dir=file.parent):
        file.write_text(str(os.getpid()))
        time.sleep(600)


def test_a_killed_worker_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    with Workers(2) as workers:
        lost = workers.submit(die_once, tmp_path / "mark")
        others = [workers.submit(pow, 2, n) for n in range(20)]

        assert lost.result() != os.getpid()
        assert [other.result() for other in others] == [2**n for n in range(20)]


def test_a_task_that_always_kills_its_worker_is_given_up_alone(tmp_path: Path) -> None:
    with Workers(2) as workers:
        bad = workers.submit(die_and_count, tmp_path / "tally")
        others = [workers.submit(pow, 2, n) for n in range(20)]

        with pytest.raises(WorkerError, match=f"ended {TRIES} times over the same task"):
            bad.result()
        assert [other.result() for other in others] == [2**n for n in range(20)]
    assert (tmp_path / "tally").read_text() == "x" * TRIES


def test_an_error_ends_the_workers_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Workers(1) as workers:
        running = workers.submit(pid_and_sleep, tmp_path / "pid")
        waiting = workers.submit(pow, 2, 3)
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
        raise KeyboardInterrupt
    assert waiting.cancelled()
    assert running.exception() is not None
    wait_until_gone([int((tmp_path / "pid").read_text())])
    assert [file.name for file in tmp_path.iterdir()] == ["pid"]


def test_workers_end_with_a_process_that_is_killed(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from pyq8.workers.processes import Workers;"
        "from tests.workers.test_processes import pid_and_sleep;"
        "w = Workers(1); w.submit(pid_and_sleep, Path(r'{}')).result()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code.format(tmp_path / "pid")], cwd=Path(__file__).parents[2])
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.02)

    parent.kill()
    parent.wait()

    wait_until_gone([int((tmp_path / "pid").read_text())])
    assert [file.name for file in tmp_path.iterdir()] == ["pid"]


def test_no_workers_are_refused() -> None:
    with pytest.raises(UsageError, match="0 workers; at least 1"):
        Workers(0)
