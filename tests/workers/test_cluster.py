"""A Dask cluster on this machine: a scheduler and two workers, one killed in the middle."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import pyq8
from pyq8.errors import UsageError, WorkerError
from pyq8.workers import cluster
from pyq8.workers.cluster import dask_cluster
from tests.cli.run import run


class Cluster:
    """Processes of Dask's own command line; what they log goes to files."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.workers: list[subprocess.Popen[bytes]] = []
        self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        self.address = self._wait(r"Scheduler at:\s+(tcp://\S+)")

    def add_worker(self) -> None:
        options = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(self._folder))
        self.workers.append(self._start("dask_worker", self.address, *options))

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{program}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": str(Path(pyq8.__file__).parents[1])},
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def _wait(self, pattern: str) -> str:
        while True:  # pytest would be stopped, were nothing to come
            found = re.search(pattern, (self._folder / "dask_scheduler.log").read_text())
            if found:
                return found[1]
            time.sleep(0.05)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path_factory.mktemp("dask"), stack)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers may take long to start on a busy machine."""
    monkeypatch.setattr(cluster, "TIMEOUT", 600.0)


def test_a_cluster_that_cannot_be_used_is_one_line(
    dask: Cluster, digits_model: str, digits_images: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "TIMEOUT", 0.5)

    for address, found in ((dask.address, "has no workers"), ("tcp://127.0.0.1:9", "no scheduler answers")):
        code, _, err = run("quantize", digits_model, "--calib", digits_images, "-o", "/dev/null/x", "--dask", address)
        assert code == 3 and "there is no folder" in err  # found before the cluster is asked
        with pytest.raises(WorkerError, match=f"--dask {address}: {found}"), dask_cluster(address):
            pass


@pytest.mark.parametrize("address", ["rubbish", "tcp://scheduler.invalid:8786", "no://127.0.0.1:8786"])
def test_what_is_no_address_is_told_before_a_client_waits_for_it(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: object, **__: object) -> None:
        raise AssertionError("waits, and says later in a traceback that it could not close")

    monkeypatch.setattr("distributed.Client", wait)

    with pytest.raises(WorkerError, match=f"--dask {address}: no scheduler answers"), dask_cluster(address):
        pass


def test_the_extra_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(UsageError, match=r"pip install 'pyq8\[distributed\]'"), dask_cluster("tcp://127.0.0.1:9"):
        pass


def test_a_worker_killed_in_the_middle_changes_nothing_and_other_versions_are_refused(
    dask: Cluster, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        dask.add_worker()
    preprocess = pyq8.Preprocess.from_toml(digits / "preprocess.toml")
    data, model = digits / "images", digits / "digits.onnx"

    def kill(stage: str, done: int, _: int | None) -> None:
        if stage == "calibrate" and done:
            dask.workers[0].kill()

    with dask_cluster(dask.address) as executor:
        together = pyq8.quantize(
            model, data, preprocess=preprocess, samples=24, effort="fast", executor=executor, progress=kill
        )
    assert dask.workers[0].wait() < 0
    together.save(tmp_path / "b.onnx")
    pyq8.quantize(model, data, preprocess=preprocess, samples=24, effort="fast").save(tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()

    monkeypatch.setattr(cluster, "environment", lambda: {"versions": {"onnxruntime": "1.0"}})
    with pytest.raises(WorkerError, match=r"has onnxruntime \S+, here is 1.0; install the same"):
        dask_cluster(dask.address).__enter__()


def test_several_models_are_spread_over_a_cluster(dask: Cluster, digits: Path, tmp_path: Path) -> None:
    dask.add_worker()
    (tmp_path / "models").mkdir()
    for name in "ab":
        (tmp_path / "models" / f"{name}.onnx").write_bytes((digits / "digits.onnx").read_bytes())
    options = ("--samples", "8", "--effort", "fast", "--preprocess", str(digits / "preprocess.toml"))
    here = os.path.relpath(tmp_path / "models")

    code, out, err = run("quantize", here, "--calib", str(digits / "images"), *options, "--dask", dask.address)

    assert (code, err) == (0, "")
    assert out.splitlines()[-1].startswith("b.onnx")
    made = [(tmp_path / "models" / f"{name}.int8.onnx").read_bytes() for name in "ab"]
    assert made[0] == made[1]
