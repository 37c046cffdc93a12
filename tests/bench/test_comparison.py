"""Two profiles side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyq8.bench.comparison import Comparison, family
from pyq8.bench.profile import NodeTime, Profile
from tests.bench.test_profile import case, profile
from tests.small_models import FORMATS

FP32 = Profile(
    "fp32.onnx", 1, 1, 9,
    (NodeTime("one", "Conv", 6.0, "a"), NodeTime("two", "Conv", 4.0, "b"), NodeTime("pool", "MaxPool", 2.0, "p"),
     NodeTime("Reorder", "ReorderOutput", 0.5)),
)  # fmt: skip
INT8 = Profile(
    "int8.onnx", 1, 1, 9,
    (NodeTime("one_quant", "QLinearConv", 2.0, "a_quantized"), NodeTime("renamed", "QLinearConv", 1.0, "b"),
     NodeTime("new", "QLinearAdd", 0.5, "s"), NodeTime("Transpose", "Transpose", 0.25)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("op_type", "name"),
    [("Conv", "Conv"), ("QLinearConv", "Conv"), ("NhwcFusedConv", "Conv"), ("QGemm", "MatMul"), ("FusedGemm", "MatMul"),
     ("QLinearMatMul", "MatMul"), ("NhwcMaxPool", "Pool"), ("QLinearGlobalAveragePool", "Pool"), ("QLinearAdd", "Add"),
     ("QuantizeLinear", "Quantize"), ("ReorderInput", "Layout"), ("Resize", "Resize")],
)  # fmt: skip
def test_families(op_type: str, name: str) -> None:
    assert family(op_type) == name


def test_operators_stand_side_by_side() -> None:
    assert Comparison(FP32, INT8).families == [
        ("Conv", 10.0, 3.0), ("Add", 0.0, 0.5), ("Layout", 0.5, 0.25), ("Pool", 2.0, 0.0),
    ]  # fmt: skip


def test_nodes_are_matched_by_name_and_else_by_output_and_the_rest_is_told() -> None:
    found = Comparison(FP32, INT8)

    assert [(a.name, b.name) for a, b in found.nodes] == [("one", "one_quant"), ("two", "renamed")]
    assert found.unmatched == (2.5, 0.75)
    text = str(found)
    assert text.startswith("int8.onnx beside fp32.onnx, batch 1, 1 thread\n")
    assert "6.000      2.000    3.00x  one_quant" in text
    assert "12.500      3.750    3.33x  all" in text
    assert "2 nodes are in both; no partner: 2.500 ms of the first, 0.750 ms here" in text


def test_what_onnx_runtime_made_in_both_is_no_match() -> None:
    made = Profile("a.onnx", 1, 1, 3, (NodeTime("Transpose", "Transpose", 1.0),))
    in_file = Profile("b.onnx", 1, 1, 3, (NodeTime("Transpose", "Transpose", 1.0, "t"),))
    for first, other in ((made, made), (in_file, made), (made, in_file)):
        assert Comparison(first, other).nodes == []


def test_a_node_is_matched_once() -> None:
    twice = Profile("b.onnx", 1, 1, 3, (NodeTime("one", "Conv", 2.0, "z"), NodeTime("other", "Conv", 1.0, "a")))
    assert [(a.name, b.name) for a, b in Comparison(FP32, twice).nodes] == [("one", "one")]


def test_json_has_every_pair() -> None:
    data = Comparison(FP32, INT8).to_json()
    assert (data["first"], data["path"]) == ("fp32.onnx", "int8.onnx")
    assert data["nodes"] == [
        {"name": "one_quant", "first_ms": 6.0, "ms": 2.0}, {"name": "renamed", "first_ms": 4.0, "ms": 1.0},
    ]  # fmt: skip
    assert data["families"][0] == {"family": "Conv", "first_ms": 10.0, "ms": 3.0}
    assert (data["unmatched_first_ms"], data["unmatched_ms"]) == (2.5, 0.75)


@pytest.mark.parametrize("name", FORMATS)
def test_a_real_models_convolutions_find_their_originals(tmp_path: Path, name: str) -> None:
    found = case()
    pair = Comparison(profile(tmp_path, found.model), profile(tmp_path, found.quantized[name], "q.onnx"))
    assert {("one", "one"), ("two", "two")} <= {(a.name, b.name) for a, b in pair.nodes}
