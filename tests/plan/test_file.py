"""A plan file: what it looks like, that it reads back, and that a slip in an edit is one line naming the entry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pyq8.errors import PlanError
from pyq8.plan.entry import qparams_from_json, qparams_to_json
from pyq8.plan.file import PlanFile, read_plan
from pyq8.types import INT8, UINT8, QParams
from tests.small_models import between, quantized

SCALES = st.floats(2.0**-63, 2.0**119, width=32)


def plan_file() -> PlanFile:
    found = quantized(between("[r] c = Relu(a) [odd] b = HardSwish(c)")).plan
    codes = {"w2": np.arange(16 * 16 * 9, dtype=np.int8).reshape(16, 16, 3, 3)}
    plan = replace(found, absorbed={}, codes=codes)
    return PlanFile(plan, "ab" * 32, "qdq", {"pyq8.observer": "percentile"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    plan_file().save(tmp_path / "plan.json")
    return tmp_path / "plan.json"


def test_it_reads_back(path: Path) -> None:
    found = read_plan(path)

    assert found == plan_file()
    assert list(found.plan.qparams) == list(plan_file().plan.qparams)


def test_every_node_and_every_tensor_has_a_line_and_codes_come_last(path: Path) -> None:
    lines = path.read_text().splitlines()

    assert '  "conv1",' in lines
    assert '  "odd": "ONNX Runtime has no INT8 HardSwish"' in lines
    (line,) = [line for line in lines if line.startswith('  "x": ')]
    assert set(json.loads("{" + line.rstrip(",") + "}")["x"]) == {"scale", "zero_point", "qtype"}
    (line,) = [line for line in lines if line.startswith('  "w1": ')]
    assert '"zero_point": 0, "qtype": "int8", "axis": 0' in line
    assert lines.index(' "codes": {') == len(lines) - 4
    assert max(len(line) for line in lines if '"codes"' not in line and '"qtype": "uint8"' in line) < 80


@given(scale=SCALES, zero_point=st.integers(0, 255))
def test_parameters_of_an_activation_are_exact(scale: float, zero_point: int) -> None:
    qparams = QParams(np.asarray(scale, np.float32), np.asarray(zero_point, np.int32), UINT8)

    assert qparams_from_json(json.loads(json.dumps(qparams_to_json(qparams)))) == qparams


@given(scale=arrays.arrays(np.float32, st.integers(1, 5), elements=SCALES))
def test_parameters_of_a_weight_are_exact(scale: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    qparams = QParams(scale, np.zeros(scale.shape, np.int32), INT8, 0)

    assert qparams_from_json(json.loads(json.dumps(qparams_to_json(qparams)))) == qparams


@pytest.mark.parametrize(("old", "new", "told"), [
    ('"kind": "pyq8 plan"', '"kind": "pyq8 calibration"', "kind 'pyq8 calibration', not 'pyq8 plan'"),
    ('"schema": 1', '"schema": 2', "of schema 1"),
    ('"format": "qdq"', '"formats": "qdq"', "'formats' is no part of a plan"),
    (' "format": "qdq",', "", "format is not there"),
    ('"int8_nodes": [', '"int8_nodes": {}, "codes": [', "'codes' stands there twice"),
    ('  "conv1",', '  "conv1"', "line 11: no JSON"),
    ('  "conv1",', '  "conv2",', "int8_nodes 'conv2': each entry is the name of a node, once"),
    ('  "conv1",', '  1,', "int8_nodes 1: each entry"),
    ('"ONNX Runtime has no INT8 HardSwish"', "null", "float_nodes 'odd': null is no text"),
    ('  "x": {', '  "x": {"scales": 1, ', "qparams 'x': 'scales' is neither scale, zero_point, qtype nor axis"),
    ('  "x": {', '  "x": {}, "z": {', "qparams 'x': no 'qtype'"),
    ('  "x": {', '  "x": [], "z": {', "qparams 'x': not of the form"),
    ('"uint8"}', '"uint9"}', "qtype 'uint9': known are uint8, int8, int8_paired, int7, int32"),
    ('"uint8"}', '"uint8", "axis": 1}', "is not a list of numbers"),
    ('"deflated": "', '"deflated": "AAAA', "codes 'w2': the integers cannot be inflated"),
    ('"shape": [16, 16, 3, 3]', '"shape": [16, 16, 3]', "codes 'w2': cannot reshape"),
    ('"shape": [16, 16, 3, 3], ', "", "codes 'w2': no 'shape'"),
])  # fmt: skip
def test_a_slip_names_the_file_and_the_entry(path: Path, old: str, new: str, told: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))

    refuse(path, told)


@pytest.mark.parametrize(("value", "told"), [
    ({"scale": float("nan")}, "qparams 'x': nan is no float32 number"),
    ({"scale": 1e300}, "qparams 'x': 1e+300 is no float32 number"),
    ({"scale": [0.1]}, "qparams 'x': [0.1] is not one number"),
    ({"scale": "0.1"}, 'qparams \'x\': "0.1" is not one number'),
    ({"scale": True}, "qparams 'x': true is not one number"),
    ({"zero_point": 1.5}, "qparams 'x': zero_point 1.5 is no whole number"),
    ({"zero_point": [1, 2]}, "qparams 'x': 2 zero points for 1 scales"),
    ({"axis": "0"}, "qparams 'x': axis '0' is no whole number"),
    ({"axis": 0, "scale": [0.1, 0.2], "zero_point": [1, 2, 3]}, "qparams 'x': 3 zero points for 2 scales"),
])  # fmt: skip
def test_a_number_that_cannot_be(path: Path, value: dict[str, object], told: str) -> None:
    data = json.loads(path.read_text())
    data["qparams"]["x"] |= value
    path.write_text(json.dumps(data))

    refuse(path, told)


@pytest.mark.parametrize(("content", "told"), [
    (b"", "line 1: no JSON"),
    (b"\xff\xfe\x00", "no text"),
    (b"[1]", "no plan"),
    (b"[" * 100_000, "no text"),
])  # fmt: skip
def test_a_file_that_is_none(path: Path, content: bytes, told: str) -> None:
    path.write_bytes(content)

    refuse(path, told)


def test_a_missing_file(tmp_path: Path) -> None:
    refuse(tmp_path / "none.json", "cannot be read: No such file")


def refuse(path: Path, told: str) -> None:
    with pytest.raises(PlanError) as caught:
        read_plan(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert told in str(caught.value) and "\n" not in str(caught.value)
