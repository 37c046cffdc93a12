"""Parts of a model: what is not asked for is not computed, wherever it hangs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from pyq8.model.parts import between, outputs_only
from tests.small_models import run

MODEL = ir.from_onnx_text("""
<ir_version: 9, opset_import: ["" : 17]>
g (float[1, 4] x, bool flag) => (float[N, C] y, float[N, C] tail) {
    a = Relu(x) b = Neg(a) y = Abs(b)
    tail = If (flag) <
        then_branch = yes () => (float[N, C] t) { t = Identity(a) },
        else_branch = no () => (float[N, C] e) { e = Identity(b) }
    > }""")
common.ShapeInferencePass()(MODEL)


def test_a_part_computes_its_outputs_from_its_inputs_and_nothing_else() -> None:
    part = between(MODEL, ["b"], ["y"])

    assert [node.op_type for node in part.clone().graph] == ["Abs"]
    assert run(part, [{"b": np.array([[1, -2, 3, -4]], np.float32)}])[0].tolist() == [[[1, 2, 3, 4]]]


def test_a_branch_that_nobody_asks_for_keeps_nothing_alive() -> None:
    part = outputs_only(MODEL, ["a"])

    assert [node.op_type for node in part.graph] == ["Relu"]


def test_what_a_branch_reads_is_computed() -> None:
    part = between(MODEL, ["x", "flag"], ["tail"])

    assert sorted(node.op_type for node in part.graph) == ["If", "Neg", "Relu"]
