"""MatMul of a matrix by a constant matrix, with a constant bias added behind it, is a Gemm: one INT8 kernel."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import bypass, constant, only_reader, replace_node
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Replace in place."""
    return for_each(model, "matmul_to_gemm", {"MatMul"}, _replace)


def _replace(node: ir.Node) -> bool:
    source, product = node.inputs[0], node.outputs[0]
    weight = constant(node.inputs[1])
    if weight is None or weight.ndim != 2 or weight.dtype != np.float32:
        raise Refuse("its right side is not a constant float32 matrix")
    if source is None or source.shape is None or len(source.shape) != 2:
        raise Refuse("its left side is not known to be a matrix")
    add = only_reader(product)
    if add is None or add.op_type != "Add":
        raise Refuse("no Add of a bias follows")
    other = add.inputs[1] if add.inputs[0] is product else add.inputs[0]
    bias = constant(other)
    if bias is None or bias.shape != weight.shape[1:]:
        raise Refuse("what is added is not a constant vector, one value a column")
    gemm = ir.node("Gemm", [source, node.inputs[1], other], name=node.name)
    replace_node(node, [gemm])
    bypass(add, gemm.outputs[0])
    return True
