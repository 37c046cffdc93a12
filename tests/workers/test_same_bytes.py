"""quantize, check and tune on workers: the same bytes as without."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyq8
from pyq8.types import Array
from pyq8.workers.processes import Workers
from tests.tuning.fixed_times import fix
from tests.tuning.spread_net import write


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as processes:
        yield processes


@pytest.fixture(scope="module")
def alone(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that this process makes."""
    return quantize(digits, tmp_path_factory.mktemp("alone") / "m.onnx", None)


def quantize(digits: Path, out: Path, executor: Executor | None, **options: Any) -> Path:
    preprocess = pyq8.Preprocess.from_toml(digits / "preprocess.toml")
    options = {"preprocess": preprocess, "samples": 24, "effort": "fast", **options}
    data = options.pop("data", digits / "images")
    pyq8.quantize(digits / "digits.onnx", data, executor=executor, **options).save(out)
    return out


def test_threads_write_the_same_model(digits: Path, alone: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        assert quantize(digits, tmp_path / "t.onnx", threads).read_bytes() == alone.read_bytes()


def test_processes_write_it_too_one_of_them_killed_in_the_middle(
    digits: Path, alone: Path, workers: Workers, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill(stage: str, done: int, _: int | None) -> None:
        if stage == "calibrate" and done and not killed:
            killed.append(workers.submit(os.getpid).result())
            os.kill(killed[0], signal.SIGKILL)

    assert quantize(digits, tmp_path / "k.onnx", workers, progress=kill).read_bytes() == alone.read_bytes()
    assert killed


def test_an_iterable_that_gives_its_images_once_serves_workers_too(
    digits: Path, workers: Workers, tmp_path: Path
) -> None:
    def images() -> Iterator[Array]:
        rng = np.random.default_rng(0)
        for size in (7, 1, 12):
            yield rng.standard_normal((size, 1, 32, 32)).astype(np.float32)

    one = quantize(digits, tmp_path / "a.onnx", None, data=images(), preprocess=None)
    two = quantize(digits, tmp_path / "b.onnx", workers, data=images(), preprocess=None)
    assert one.read_bytes() == two.read_bytes()


def test_check_says_the_same(digits: Path, alone: Path, workers: Workers) -> None:
    def verdict(executor: Executor | None) -> dict[str, Any]:
        return pyq8.check(digits / "digits.onnx", alone, digits / "images", executor=executor).to_json()

    assert verdict(workers) == verdict(None)


def test_tune_finds_the_same(workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fix(monkeypatch.setattr)
    net = write(tmp_path, blocks=4, spread=(2,), images=50)
    for name, executor in (("a.onnx", None), ("b.onnx", workers)):
        pyq8.tune(net.model, net.calib, net.data, tmp_path / name, max_drop=0.5, effort="fast", executor=executor)

    for suffix in ("", ".tune.json"):
        assert (tmp_path / f"a.onnx{suffix}").read_bytes() == (tmp_path / f"b.onnx{suffix}").read_bytes()
