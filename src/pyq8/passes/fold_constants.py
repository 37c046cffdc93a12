"""Nodes whose inputs are all constant become initializers.

ONNX Runtime computes them, all in one session with optimizations off, so that the values are the runtime's own.
`Shape` of a tensor whose shape is static is constant too.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import RANDOM, add_initializer, constant
from pyq8.passes.result import PassResult
from pyq8.types import Array

KEEP_BYTES = 1 << 20
"""A folded value may be this much larger than what it was computed from."""

MOST_BYTES = 1 << 30
"""Constants beyond this stay as they are: the session that computes them takes at most 2 GiB."""


def run(model: ir.Model) -> PassResult:
    """Fold in place; refuses results that would make the file much larger."""
    graph = model.graph
    changed = _fold_static_shapes(graph)
    folded = _constant_nodes(graph)
    inside = set(folded)
    frontier = [
        value
        for node in folded
        for value in node.outputs
        if value.is_graph_output() or any(use.node not in inside for use in value.uses())
    ]
    refused: dict[str, str] = {}
    for value, array in zip(frontier, _evaluate(model, folded, frontier), strict=True):
        producer = value.producer()
        assert producer is not None
        label = producer.name or producer.op_type
        if value.is_graph_output():
            refused[label] = "it is an output of the model"
        elif array is None:
            refused[label] = "ONNX Runtime could not compute its value beforehand"
        elif array.nbytes > _input_bytes(producer) + KEEP_BYTES:
            refused[label] = f"its value takes {array.nbytes} bytes"
        else:
            _replace(value, array)
            changed.append(label)
    return PassResult("fold_constants", tuple(changed), refused)


def _fold_static_shapes(graph: ir.Graph) -> list[str]:
    changed = []
    for node in list(graph):
        value = node.inputs[0] if node.op_type == "Shape" and node.domain == "" else None
        if value is None or value.shape is None or node.attributes or node.outputs[0].is_graph_output():
            continue
        if value.is_graph_output():
            continue  # its shape is what the file declares, which need not be so
        dims = [d for d in value.shape if isinstance(d, int) and d > 0]  # exporters write 0 and -1 for "any"
        if len(dims) == len(value.shape):
            _replace(node.outputs[0], np.asarray(dims, np.int64))
            changed.append(node.name or "Shape")
    return changed


def _replace(value: ir.Value, array: Array) -> None:
    """Let an initializer take the name and the readers of `value`, whose node may live on for other outputs."""
    graph = value.graph
    assert graph is not None
    name = value.name or "folded"
    value.name = f"{name}_unfolded"
    value.replace_all_uses_with(add_initializer(graph, name, array))


def _constant_nodes(graph: ir.Graph) -> list[ir.Node]:
    """Nodes of ONNX's own operators that depend on initializers alone, in order."""
    nodes: list[ir.Node] = []
    known: set[ir.Value] = set(graph.initializers.values())
    for node in graph:
        inputs = [v for v in node.inputs if v is not None]
        random = node.op_type in RANDOM or node.domain != ""
        nested = any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values())
        if not random and not nested and inputs and all(v in known for v in inputs):
            nodes.append(node)
            known.update(node.outputs)
    return nodes


def _input_bytes(node: ir.Node) -> int:
    return sum(v.const_value.nbytes for v in node.inputs if v is not None and v.const_value is not None)


def _evaluate(model: ir.Model, nodes: list[ir.Node], outputs: list[ir.Value]) -> list[Array | None]:
    """The values of `outputs`; None for all that ONNX Runtime cannot compute, or that are no tensors."""
    import onnx

    from pyq8.runtime.sessions import session

    nothing: list[Array | None] = [None] * len(outputs)
    if not outputs or sum(_input_bytes(node) for node in nodes) > MOST_BYTES:
        return nothing
    graph = onnx.GraphProto(name="constants")
    graph.node.extend(ir.to_proto(node) for node in nodes)
    for value in {v: None for node in nodes for v in node.inputs if v is not None and constant(v) is not None}:
        array = constant(value)
        assert array is not None
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), value.name))
    graph.output.extend(onnx.ValueInfoProto(name=v.name) for v in outputs)
    opsets = [onnx.helper.make_opsetid(d, v) for d, v in model.opset_imports.items()]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=min(model.ir_version, 10))
    try:
        values = session(proto.SerializeToString(), optimize="off", threads=1).run(None, {})
    except MemoryError:
        raise
    except Exception:  # the runtime's own share no base but this; the model then computes it, or fails, as before
        return nothing
    return [value if isinstance(value, np.ndarray) else None for value in values]
