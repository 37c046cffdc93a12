"""MatMul of a matrix by a constant matrix, with a constant bias added behind it, is a Gemm: one INT8 kernel."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.passes.graph_edit import bypass, constant, only_reader, set_input
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Replace in place."""
    return for_each(model, "matmul_to_gemm", {"MatMul"}, _replace)


def _replace(node: ir.Node) -> bool:
    source, product, graph = node.inputs[0], node.outputs[0], node.graph
    weight = constant(node.inputs[1])
    if weight is None or weight.ndim != 2:
        raise Refuse("its right side is not a constant matrix")
    if source is None or source.shape is None or len(source.shape) != 2:
        raise Refuse("its left side is not known to be a matrix")
    add = only_reader(product)
    if add is None or add.op_type != "Add":
        raise Refuse("no Add of a bias follows")
    other = add.inputs[1] if add.inputs[0] is product else add.inputs[0]
    bias = constant(other)
    if bias is None or bias.size != weight.shape[1] or bias.shape[-1] != weight.shape[1]:
        raise Refuse("what is added is not a constant bias")
    if bias.ndim != 1:
        raise Refuse("the bias is not a vector")
    gemm = ir.node("Gemm", [source, node.inputs[1], None], name=node.name)
    set_input(gemm, 2, other)
    assert graph is not None
    graph.insert_before(node, gemm)
    name, new = product.name, gemm.outputs[0]
    new.shape, new.type = product.shape, product.type
    product.replace_all_uses_with(new)
    graph.remove(node, safe=True)
    product.name, new.name = None, name
    bypass(add, new)
    return True
