"""The page of models whose INT8 layers are inside of regions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shutil import copy

import numpy as np
import pytest
from playwright.sync_api import Browser

import pyq8
from pyq8 import kernels
from pyq8.model.file import save
from pyq8.report.document import Document, Missing
from pyq8.report.gather import gather
from pyq8.report.page import render
from pyq8.report.timing import Timing

from ..small_models import parse
from .region_models import SEVERAL, WEIGHTS, WHOLE
from .test_page import shown

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")


@dataclass(frozen=True)
class Made:
    """A model of regions in a folder, with its fallback."""

    folder: Path
    result: pyq8.Result

    def report(self, int8: str = "m.int8.onnx", rounds: int = 0, result: pyq8.Result | None = None) -> Document:
        paths = [self.folder / name for name in ("m.onnx", int8, "x.npz")]
        return gather(*paths, command="pyq8 report", made="now", result=result, timing=Timing(rounds, 0.0))


@pytest.fixture(scope="module", params=[WHOLE, SEVERAL], ids=["whole", "several"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("regions")
    save(parse(request.param, WEIGHTS), folder / "m.onnx")
    np.savez(folder / "x.npz", x=np.random.default_rng(2).standard_normal((8, 8, 12, 12)).astype(np.float32))
    result = pyq8.quantize(folder / "m.onnx", folder / "x.npz", format="pyq8", effort="fast", placement="all")
    result.save(folder / "m.int8.onnx", fallback=folder / "m.qdq.onnx")
    (folder / "alone").mkdir()
    copy(folder / "m.int8.onnx", folder / "alone")
    return Made(folder, result)


def test_every_node_inside_has_its_line_with_time_sqnr_and_shape(browser: Browser, made: Made, page_file: Path) -> None:
    document = made.report(rounds=1, result=made.result)
    lines = {line.kernel.node: line for line in document.network.lines}
    rows = made.result.report.kernels.rows
    with shown(browser, page_file, render(document)) as page:
        names = page.locator("#network li.node .name > span:first-child")
        assert names.evaluate_all("all => all.map(e => e.title)") == [row.node for row in rows]
    assert {"one", "two", "sum", "last"} <= set(lines)
    for name in ("one", "two", "last"):
        assert lines[name].int8_ms is not None and lines[name].shape == "16x12x12"
    assert made.result.report.layers is not None
    sqnr = {row.tensor: row.sqnr for row in made.result.report.layers.rows}
    found = {line.tensor: line.sqnr for line in lines.values() if line.sqnr is not None}
    assert found == {tensor: sqnr[tensor] for tensor in found} and len(found) >= 3


def test_two_files_and_the_fallback_show_what_quantization_knew(made: Made) -> None:
    known, found = made.report(result=made.result), made.report()
    assert found.network == known.network and found.layers is None
    assert found.weights == known.weights


def test_without_the_fallback_the_page_says_what_it_cannot_show(browser: Browser, made: Made, page_file: Path) -> None:
    document = made.report("alone/m.int8.onnx")
    assert isinstance(document.weights, Missing)
    with shown(browser, page_file, render(document)) as page:
        for section in ("network", "activations", "weights"):
            assert "known only beside the file of --fallback" in page.locator(f"#{section}").inner_text()
        assert page.locator("#network li.node").count() == len(made.result.report.kernels.rows)


def test_another_quantization_is_no_fallback(made: Made, tmp_path: Path) -> None:
    for name in ("m.onnx", "m.int8.onnx", "x.npz"):
        copy(made.folder / name, tmp_path)
    other = pyq8.quantize(tmp_path / "m.onnx", tmp_path / "x.npz", observer="minmax", effort="fast")
    other.save(tmp_path / "m.qdq.onnx")
    assert made.report(str(tmp_path / "m.int8.onnx")).layers is not None
