"""Profiles: every executed node, under the name that it has in the file."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx_ir as ir

from pyq8.model import save
from pyq8.verify.profile import NodeTime, Profile, profile_model

from ..small_models import Case, parse, quantized

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
