"""Identity, and Dropout at inference, are removed: y = x."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import bypass, constant
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Remove in place; an Identity between a graph input and a graph output stays."""
    return for_each(model, "remove_identity", {"Identity", "Dropout"}, _remove)


def _remove(node: ir.Node) -> bool:
    if node.op_type == "Dropout":
        if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
            raise Refuse("its mask is read")
        if len(node.inputs) > 2 and node.inputs[2] is not None:
            training = constant(node.inputs[2])
            if training is None or bool(training):
                raise Refuse("it is in training mode")
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None and node.graph is not None
    if output.is_graph_output():
        if source.producer() is None or source.is_graph_output():
            raise Refuse("it names an output of the model")
        bypass(node, source)
        return True
    output.replace_all_uses_with(source)
    node.graph.remove(node, safe=True)
    return True
