"""What the report is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyq8.errors import DataError, PlanError
from pyq8.model.file import load, save
from pyq8.plan.read import recover
from pyq8.report.document import Missing
from pyq8.report.gather import read_classes
from pyq8.report.page import render
from tests.report.conftest import Digits


def test_the_same_input_gives_the_same_bytes(quantized: Digits) -> None:
    first, second = (render(quantized.report()) for _ in range(2))
    assert first == second
    assert len(first) < 1_000_000


def test_the_layers_of_two_files_are_those_that_quantization_measured(quantized: Digits) -> None:
    known, found = quantized.result.report.layers, quantized.report().sqnr
    assert known is not None and found is not None
    assert {row.tensor for row in known.rows} == {row.tensor for row in found.rows}


def test_a_model_of_another_tool_leaves_out_what_nobody_knows(quantized: Digits, tmp_path: Path) -> None:
    model = load(quantized.int8, quantized=True)
    for key in [k for k in model.metadata_props if k.startswith("pyq8.")]:
        del model.metadata_props[key]
    path = str(tmp_path / "other.onnx")
    save(model, path)
    document = Digits(quantized.fp32, path, quantized.images, quantized.preprocess, quantized.result).report()
    assert isinstance(document.ranges, Missing) and "pyq8 did not make" in document.ranges.why
    assert isinstance(document.weights, Missing) and document.sqnr is None
    assert len(document.network.lines) == len(document.verdict.report.kernels.rows)


def test_another_fp32_model_is_found_out(quantized: Digits) -> None:
    other = load(quantized.fp32)
    weight = next(v for v in other.graph.initializers.values() if v.const_value is not None)
    import onnx_ir as ir

    assert weight.const_value is not None
    weight.const_value = ir.tensor(weight.const_value.numpy() * 2, name=weight.name)
    with pytest.raises(PlanError, match="not made of this FP32 model"):
        recover(other, load(quantized.int8, quantized=True))


def test_the_classes_are_lines(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("cat\ndog \n")
    assert read_classes(tmp_path / "names.txt") == ("cat", "dog")
    with pytest.raises(DataError, match="one class a line"):
        read_classes(tmp_path / "none.txt")
