"""ReduceMean over height and width is a GlobalAveragePool, which has an INT8 kernel.

Without keepdims a Flatten follows.
"""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import constant, replace_node, static_int, static_ints
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Replace in place."""
    return for_each(model, "reduce_mean_to_pool", {"ReduceMean"}, _replace)


def _replace(node: ir.Node) -> bool:
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    if source.shape is None or len(source.shape) != 4:
        raise Refuse("its input is not known to be [N, C, H, W]")
    if source.dtype != ir.DataType.FLOAT:
        raise Refuse("its input is not known to be float32")
    axes = static_ints(node, "axes", [])
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        given = constant(node.inputs[1])
        axes = [] if given is None else [int(a) for a in given]
    if sorted(a % 4 for a in axes) != [2, 3]:
        raise Refuse("it does not reduce height and width")
    pool = ir.node("GlobalAveragePool", [source], name=node.name)
    nodes = [pool]
    if not static_int(node, "keepdims", 1):
        nodes.append(ir.node("Flatten", [pool.outputs[0]], {"axis": 1}, name=f"{node.name}_flatten"))
        pool.outputs[0].name = f"{output.name}_pooled"
        pool.outputs[0].type = output.type
        pool.outputs[0].shape = ir.Shape([source.shape[0], source.shape[1], 1, 1])
    replace_node(node, nodes)
    return True
