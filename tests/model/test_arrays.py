"""What load makes of the file's tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from pyq8.model.file import load, save

TEXT = """<ir_version: 8, opset_import: ["": 17]> g (float[N,3,8,8] x, int64[1] n) => (float[N,16,6,6] y, float[K] z) {
    y = Conv(x, w, b)
    z = ConstantOfShape<value = float[1] {2.5}>(n)
}"""
W = np.random.default_rng(0).standard_normal((16, 3, 3, 3)).astype(np.float32)


def written(path: Path) -> onnx.ModelProto:
    proto = onnx.parser.parse_model(TEXT)
    proto.graph.initializer.append(numpy_helper.from_array(W, "w"))
    proto.graph.initializer.append(onnx.helper.make_tensor("b", onnx.TensorProto.FLOAT, [16], [0.5] * 16))  # not raw
    onnx.save(proto, path)
    return proto


def test_looking_at_a_weight_does_not_copy_it(tmp_path: Path) -> None:
    written(tmp_path / "m.onnx")

    weight = load(tmp_path / "m.onnx").graph.initializers["w"].const_value

    assert weight is not None
    assert np.shares_memory(weight.numpy(), weight.numpy())
    np.testing.assert_array_equal(weight.numpy(), W)


def test_tensors_are_written_as_they_came(tmp_path: Path) -> None:
    given = written(tmp_path / "m.onnx")

    save(load(tmp_path / "m.onnx"), tmp_path / "again.onnx")

    again = onnx.load(tmp_path / "again.onnx")
    assert {t.name: t for t in again.graph.initializer} == {t.name: t for t in given.graph.initializer}
    assert again.graph.node[1].attribute[0] == given.graph.node[1].attribute[0]
