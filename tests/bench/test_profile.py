"""Profiles: every executed node, under the name that it has in the file."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest

from pyq8 import kernels
from pyq8.bench.comparison import Comparison
from pyq8.bench.profile import NodeTime, Profile, profile_model
from pyq8.bench.region_layers import split_regions
from pyq8.bench.trace import Event
from pyq8.kernels.region_record import LayerRun
from pyq8.model.file import save
from pyq8.rewrite import rewrite
from tests.small_models import Case, parse, quantized

TEXT = """g (float[N, 8, 12, 12] x) => (float[N, C, H, W] y) {
    [one] a = Conv<pads = [1, 1, 1, 1]>(x, w1)  [relu] b = Relu(a)  [two] c = Conv(b, w2)  [sum] y = Add(c, c)
}"""


def case() -> Case:
    return quantized(parse(TEXT, {"w1": (16, 8, 3, 3), "w2": (16, 16, 1, 1)}))


def profile(folder: Path, model: ir.Model, name: str = "m.onnx") -> Profile:
    save(model, folder / name)
    return profile_model(str(folder / name), str(folder), batch=2, threads=1, seconds=0)


def test_nodes_have_the_names_of_the_file(tmp_path: Path) -> None:
    found = case()
    for model, op_type in ((found.model, "Conv"), (found.quantized["qdq"], "QLinearConv")):
        result = profile(tmp_path, model)

        nodes = {node.name: node for node in result.nodes}
        assert nodes["one"].op_type == nodes["two"].op_type == op_type
        (conv,) = [node for node in model.graph if node.name == "one"]
        assert nodes["one"].output == conv.outputs[0].name
        assert (result.batch, result.threads, result.calls) == (2, 1, 3)
        assert all(node.ms >= 0 for node in result.nodes)
        assert [n.ms for n in result.nodes] == sorted((n.ms for n in result.nodes), reverse=True)


@pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
def test_the_layers_of_a_region_are_there_with_the_names_of_their_nodes(tmp_path: Path) -> None:
    found = case()
    fp32, regions = (
        profile(tmp_path, found.model),
        profile(tmp_path, rewrite(found.model, found.plan, "pyq8"), "r.onnx"),
    )

    assert {"one", "two"} <= {n.name for n in regions.nodes if n.op_type == "QLinearConv" and n.ms > 0}
    assert {a.name for a, _ in Comparison(fp32, regions).nodes} >= {"one", "two"}
    assert len(regions.nodes) > 3


def test_layers_that_run_together_share_their_time() -> None:
    event = Event(0, "r", "Region", 30.0, (), ())
    layers = [LayerRun(0, 0), LayerRun(800, 300), LayerRun(0, 100), LayerRun(0, 0), LayerRun(200, 0)]
    names = {"r": ["", "Conv a", "Conv b", "MaxPool c", "MaxPool d"]}

    found = split_regions([event, Event(0, "n", "Relu", 1.0, (), ())], [layers], names)

    assert [(e.op_type, e.name, e.ms) for e in found] == [
        ("Region", "r", 0.0), ("Conv", "a", 18.0), ("Conv", "b", 6.0), ("MaxPool", "c", 0.0), ("MaxPool", "d", 6.0),
        ("Relu", "n", 1.0),
    ]  # fmt: skip


def test_a_region_without_names_keeps_its_time() -> None:
    found = split_regions([Event(0, "r", "Region", 30.0, (), ())], [[LayerRun(0, 10), LayerRun(800, 20)]], {"r": []})

    assert {(e.op_type, e.name) for e in found} == {("Region", "r")}
    assert sum(e.ms for e in found) == pytest.approx(30)


def test_what_onnx_runtime_adds_is_not_said_to_be_in_the_file(tmp_path: Path) -> None:
    result = profile(tmp_path, case().quantized["qdq"])
    added = [node for node in result.nodes if node.op_type == "Transpose"]
    assert added and all(node.output == "" for node in added)


def test_nodes_without_names_get_some(tmp_path: Path) -> None:
    proto = ir.to_proto(case().quantized["qdq"])
    for node in proto.graph.node:
        node.ClearField("name")
    onnx.save(proto, tmp_path / "m.onnx")
    result = profile_model(str(tmp_path / "m.onnx"), str(tmp_path), batch=2, threads=1, seconds=0)
    assert len([node for node in result.nodes if node.op_type == "QLinearConv" and node.output]) == 2
    assert result.path.endswith("m.onnx")


def test_it_adds_up_prints_and_round_trips() -> None:
    nodes = (NodeTime("a", "Conv", 3.0, "x"), NodeTime("b", "Conv", 1.0, "y"), NodeTime("c", "Add", 0.5))
    result = Profile("m.onnx", 4, 2, 9, nodes)

    assert result.operators() == [("Conv", 2, 4.0), ("Add", 1, 0.5)]
    text = str(result)
    assert "m.onnx, batch 4, 2 threads: 4.500 ms in 3 nodes" in text
    assert "4.000 ms  88.9%  Conv (2)" in text and "0.500 ms  Add c" in text
    data = json.loads(json.dumps(result.to_json()))
    assert data["operators"][0] == {"op_type": "Conv", "nodes": 2, "ms": 4.0}
    assert Profile.from_json(data) == result


def test_many_operators_are_cut_but_add_up() -> None:
    result = Profile("m.onnx", 1, 1, 3, tuple(NodeTime(f"n{i}", f"Op{i}", 1.0) for i in range(14)))
    assert "4.000 ms  28.6%  4 others" in str(result)
    assert len(result.to_json()["operators"]) == 14
