"""What many tests start from: the embedded network and its images."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import one_core  # before whatever starts threads  # isort: skip

import hypothesis
import pytest

from pyq8.loaders.datasets import dataset

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and what they start, ignore it
sys.executable = os.environ.get("PYQ8_TEST_PYTHON", sys.executable)  # make test-avx2: children are emulated too

hypothesis.settings.register_profile("pyq8", deadline=None)  # no test asserts a time
hypothesis.settings.load_profile("pyq8")


@pytest.fixture(autouse=True)
def _no_job_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own verdicts are nothing for the summary of the job that runs them."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture(autouse=True)
def _no_wishes_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither defaults nor colours of whoever runs the tests."""
    for name in ("PYQ8_CONFIG", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def every_core() -> Iterator[None]:
    """What the test starts may use all cores."""
    one_core.leave()
    yield
    one_core.take()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands take the time of one run for a model's, where the test does not depend on it."""
    from pyq8 import api
    from pyq8.bench import speed
    from pyq8.bench.speed import time_models
    from pyq8.tuning import ranking

    def once(paths: list[str], **options: Any) -> Any:
        return time_models(paths, **{**options, "rounds": 1, "seconds": 0.0})

    for module in (speed, api, ranking):
        monkeypatch.setattr(module, "time_models", once)


@pytest.fixture(scope="session")
def digits() -> Path:
    """The folder of the embedded data set."""
    return dataset("digits")


@pytest.fixture(scope="session")
def digits_model(digits: Path) -> str:
    return str(digits / "digits.onnx")


@pytest.fixture(scope="session")
def digits_images(digits: Path) -> str:
    return str(digits / "images")


@pytest.fixture(scope="session")
def digits_preprocess(digits: Path) -> str:
    return str(digits / "preprocess.toml")
