"""Nodes whose inputs are all constant become initializers.

ONNX Runtime computes them, all in one session with optimizations off, so that the values are the runtime's own.
`Shape` of a tensor whose shape is static is constant too.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.passes.graph_edit import add_initializer, constant
from pyq8.passes.result import PassResult
from pyq8.types import Array

RANDOM = frozenset("RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli".split())
KEEP_BYTES = 1 << 20
"""A folded value may be this much larger than what it was computed from."""


def run(model: ir.Model) -> PassResult:
    """Fold in place; refuses results that would make the file much larger."""
    graph = model.graph
    changed = _fold_static_shapes(graph)
    folded: list[ir.Node] = []
    known: set[ir.Value] = set(graph.initializers.values())
    for node in graph:
        inputs = [v for v in node.inputs if v is not None]
        random = node.op_type in RANDOM
        nested = any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values())
        if not random and not nested and inputs and all(v in known for v in inputs):
            folded.append(node)
            known.update(node.outputs)
    inside = set(folded)
    frontier = [
        value
        for node in folded
        for value in node.outputs
        if value.is_graph_output() or any(use.node not in inside for use in value.uses())
    ]
    if not frontier:
        return PassResult("fold_constants", tuple(changed))
    refused: dict[str, str] = {}
    for value, array in zip(frontier, _evaluate(model, folded, frontier), strict=True):
        producer = value.producer()
        assert producer is not None
        source = sum(v.const_value.nbytes for v in producer.inputs if v is not None and v.const_value is not None)
        if value.is_graph_output():
            refused[producer.name or ""] = "it is an output of the model"
        elif array.nbytes > source + KEEP_BYTES:
            refused[producer.name or ""] = f"its value takes {array.nbytes} bytes"
        else:
            name, value.name = value.name, None
            value.replace_all_uses_with(add_initializer(graph, name or "folded", array))
            changed.append(producer.name or producer.op_type)
    return PassResult("fold_constants", tuple(changed), refused)


def _fold_static_shapes(graph: ir.Graph) -> list[str]:
    changed = []
    for node in list(graph):
        value = node.inputs[0] if node.inputs else None
        if node.op_type != "Shape" or node.attributes or value is None or value.shape is None:
            continue
        dims = value.shape.dims
        if all(isinstance(d, int) for d in dims) and not node.outputs[0].is_graph_output():
            array = np.asarray([int(d) for d in dims if isinstance(d, int)], np.int64)
            node.outputs[0].replace_all_uses_with(add_initializer(graph, f"{node.name}_value", array))
            changed.append(node.name or "Shape")
    return changed


def _evaluate(model: ir.Model, nodes: list[ir.Node], outputs: list[ir.Value]) -> list[Array]:
    import onnx

    from pyq8.session import session

    graph = onnx.GraphProto(name="constants")
    graph.node.extend(ir.to_proto(node) for node in nodes)
    needed = {v.name: v for node in nodes for v in node.inputs if constant(v) is not None and v is not None}
    for name, value in needed.items():
        array = constant(value)
        assert array is not None
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    graph.output.extend(onnx.ValueInfoProto(name=v.name) for v in outputs)
    opsets = [onnx.helper.make_opsetid(d, v) for d, v in model.opset_imports.items()]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=min(model.ir_version, 10))
    arrays: list[Array] = session(proto.SerializeToString(), optimize="off", threads=1).run(None, {})
    return arrays
