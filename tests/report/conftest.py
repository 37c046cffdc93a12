"""A report of the embedded network, and a browser to look at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import pyq8
from pyq8.report.document import Document
from pyq8.report.gather import gather
from pyq8.report.timing import Timing

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = (os.environ.get("PYQ8_BROWSER") or "", *BROWSERS)
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        said = "no browser: apt-get install chromium-headless-shell, or say where one is in PYQ8_BROWSER"
        pytest.fail(said, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        yield browser
        browser.close()


@dataclass(frozen=True)
class Digits:
    """The embedded network, quantized, with its images and preprocessing."""

    fp32: str
    int8: str
    images: str
    preprocess: pyq8.Preprocess
    result: pyq8.Result

    def report(self, rounds: int = 0, **options: object) -> Document:
        given = {"command": "pyq8 report a b", "made": "now", "samples": 24, "timing": Timing(rounds, 0.0), **options}
        return gather(self.fp32, self.int8, self.images, preprocess=self.preprocess, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory, digits_model: str, digits_images: str,
              digits_preprocess: str) -> Digits:  # fmt: skip
    preprocess = pyq8.Preprocess.from_toml(digits_preprocess)
    result = pyq8.quantize(digits_model, digits_images, preprocess=preprocess, samples=12)
    path = tmp_path_factory.mktemp("report") / "digits.int8.onnx"
    result.save(path)
    return Digits(digits_model, str(path), digits_images, preprocess, result)


@pytest.fixture(scope="session")
def document(quantized: Digits) -> Document:
    """Timed, in one short round."""
    return quantized.report(rounds=1)


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    return tmp_path / "report.html"
