"""A chain of elementwise operators between two quantized tensors is a table of 256 codes, or one a channel.

    table[q] = quantize(f(dequantize(q)))

ONNX's reference evaluator computes f in float64, of 256 images of one pixel, one for every code; it is rounded to
float32 before it is quantized. So the table is the same wherever it is made.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import onnx
import onnx_ir as ir

from pyq8 import affine
from pyq8.graph_edit import add_initializer, constant, replace_node
from pyq8.ops.chains import operands
from pyq8.rewrite.region.match import obstacle
from pyq8.rewrite.region.nodes import is_bytes, qparams, rank, size
from pyq8.rewrite.region.spec import DOMAIN
from pyq8.types import UINT8, Array, QParams

OP_TYPE = "QLinearTable"
"""Inputs: x, its scale and zero point, the table (256,) or tables (C, 256), scale and zero point of the result."""
CODES = 256


def join_chain(quantize: ir.Node, apart: Container[str]) -> None:
    """Replace a QuantizeLinear, and the chain whose result it reads, by one QLinearTable.

    Args:
        quantize: any node.
        apart: names of nodes that stay FP32 whatever is around them.
    """
    if quantize.op_type != "QuantizeLinear" or obstacle(quantize):
        return
    chain, entries = _walk(quantize.inputs[0])
    starts = [v.producer() for v in entries]
    first = starts[0] if starts else None
    if first is None or not chain or any((node.name or "") in apart for node in chain):
        return
    if any(s is None or s.op_type != "DequantizeLinear" or s.inputs[0] is not first.inputs[0] for s in starts):
        return
    x, y = first.inputs[0], quantize.outputs[0]
    graph = quantize.graph
    if obstacle(first) or graph is None or rank(x) not in (2, 4) or not size(x, 1) or not is_bytes(y):
        return
    codes = _codes(chain, entries, first, quantize, graph.opset_imports.get("", 17))
    if codes is None:
        return
    table = add_initializer(graph, f"{y.name}_table", codes)
    inputs = [*first.inputs[:3], table, *quantize.inputs[1:3]]
    names = ir.AttrStrings("names", [f"{node.op_type} {node.name}" for node in chain])
    node = ir.Node(DOMAIN, OP_TYPE, inputs, [names], num_outputs=1, name=chain[-1].name)
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = f"{y.name}_of_table", y.type, y.shape
    replace_node(quantize, [node])


def as_gather(table: ir.Node) -> None:
    """Replace a QLinearTable that no region computes by ONNX's own operators."""
    x, y, codes, graph = table.inputs[0], table.outputs[0], constant(table.inputs[3]), table.graph
    assert x is not None and codes is not None and graph is not None
    nodes = [ir.node("Cast", [x], {"to": ir.DataType.INT32}, name=f"{table.name}_code")]
    if codes.ndim == 2:
        first = CODES * np.arange(len(codes), dtype=np.int32).reshape(-1, *[1] * (rank(x) - 2))
        places = [nodes[0].outputs[0], add_initializer(graph, f"{table.name}_first", first)]
        nodes.append(ir.node("Add", places, name=f"{table.name}_place"))
    flat = add_initializer(graph, f"{table.name}_codes", codes.reshape(-1))
    nodes.append(ir.node("Gather", [flat, nodes[-1].outputs[0]], {"axis": 0}, name=table.name))
    for node in nodes:
        node.outputs[0].name, node.outputs[0].shape = f"{y.name}_{node.op_type}", y.shape
        node.outputs[0].type = y.type if node.op_type == "Gather" else ir.TensorType(ir.DataType.INT32)
    replace_node(table, nodes)


def _walk(end: ir.Value | None) -> tuple[list[ir.Node], list[ir.Value]]:
    """The elementwise nodes that compute a value, in topological order, and what they read of others."""
    chain: dict[ir.Node, None] = {}
    entries: dict[ir.Value, None] = {}

    def visit(value: ir.Value) -> None:
        node = value.producer()
        read = [] if node is None else _reads(node)
        if node is None or not read:
            entries[value] = None
        elif node not in chain:
            for before in read:
                visit(before)
            chain[node] = None

    if end is not None:
        visit(end)
    return list(chain), list(entries)


def _reads(node: ir.Node) -> list[ir.Value]:
    """The tensors that a node of a chain computes with; a Sum of one only copies, see `pyq8.rewrite.shield`."""
    copied = node.inputs[0] if node.op_type == "Sum" and not node.domain and len(node.inputs) == 1 else None
    return operands(node) if copied is None else [copied]


def _codes(
    chain: list[ir.Node], entries: list[ir.Value], first: ir.Node, quantize: ir.Node, opset: int
) -> Array | None:
    """The table (256,), or tables (C, 256) where they differ; None where it is not a function of codes and channels."""
    from onnx.reference import ReferenceEvaluator

    scale, zero = qparams(first, 1)
    x, y = first.inputs[0], quantize.inputs[0]
    assert y is not None
    real = ((np.arange(CODES) - zero).astype(np.float32) * scale).astype(np.float64)
    pixels = [1] * (rank(x) - 2)
    images = np.broadcast_to(real.reshape(-1, 1, *pixels), (CODES, size(x, 1), *pixels))
    try:
        evaluator = ReferenceEvaluator(_function(chain, entries, y, opset))
        with np.errstate(all="ignore"):
            results = evaluator.run(None, {v.name or "": images for v in entries})
    except (NotImplementedError, TypeError, ValueError, RuntimeError):
        return None
    assert isinstance(results, list)
    if results[0].shape != images.shape:
        return None
    found = np.nan_to_num(results[0].astype(np.float32), posinf=np.inf, neginf=-np.inf)  # what is no number is zero
    y_scale, y_zero = qparams(quantize, 1)
    tables = affine.quantize(found, QParams(np.asarray(y_scale), np.asarray(y_zero, np.int32), UINT8))
    tables = np.ascontiguousarray(tables.reshape(CODES, -1).T)
    return tables[0] if (tables == tables[0]).all() else tables


def _function(chain: list[ir.Node], entries: list[ir.Value], end: ir.Value, opset: int) -> onnx.ModelProto:
    """The chain as a model of float64."""

    def described(values: list[ir.Value]) -> list[onnx.ValueInfoProto]:
        return [onnx.helper.make_tensor_value_info(v.name or "", onnx.TensorProto.DOUBLE, None) for v in values]

    read = {v.name or "": v for node in chain for v in node.inputs if v is not None}
    arrays = {name: array for name, value in read.items() if (array := constant(value)) is not None}
    initializers = [onnx.numpy_helper.from_array(a.astype(np.float64), name) for name, a in arrays.items()]
    nodes = [ir.to_proto(node) for node in chain]
    graph = onnx.helper.make_graph(nodes, "chain", described(entries), described([end]), initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
