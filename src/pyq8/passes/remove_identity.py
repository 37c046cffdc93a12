"""Identity, and Dropout at inference, are removed: y = x."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.passes.graph_edit import constant
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
        if source.is_graph_input() or source.is_initializer() or source.is_graph_output():
            raise Refuse("it is an output of the model")
        if source.producer() is None or source.producer().graph is not node.graph:  # type: ignore[union-attr]
            raise Refuse("it is an output of the model")
        name = output.name
        output.replace_all_uses_with(source, replace_graph_outputs=True)
        node.graph.remove(node, safe=True)
        output.name, source.name = None, name
        return True
    output.replace_all_uses_with(source)
    node.graph.remove(node, safe=True)
    return True
