"""The quantized form of every tensor, shared by both output formats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from pyq8 import affine
from pyq8.passes.graph_edit import add_initializer, constant
from pyq8.types import INT32, Array, Plan, QParams

DTYPES = {"uint8": ir.DataType.UINT8, "int8": ir.DataType.INT8, "int32": ir.DataType.INT32}
READS_SHAPE = ("Shape", "Size")
"""Operators that read no values: they take the uint8 tensor, so that nothing is dequantized for them."""


class Tensors:
    """Makes and remembers quantized values, scales and zero points.

    Args:
        graph: the graph that is rewritten.
        plan: names -> parameters.
    """

    def __init__(self, graph: ir.Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self._quantized: dict[ir.Value, ir.Value] = {}
        self._constants: dict[tuple[bytes, str, tuple[int, ...]], ir.Value] = {}
        self._qparams: dict[ir.Value, QParams] = {}
        for values in (graph.inputs, *(n.outputs for n in graph), graph.initializers.values()):
            for value in values:
                if value.name in plan.qparams:
                    self._qparams[value] = plan.qparams[value.name]

    def qparams(self, value: ir.Value) -> QParams | None:
        """The plan's parameters of a value, whatever it is called by now."""
        return self._qparams.get(value)

    def quantized(self, value: ir.Value) -> ir.Value:
        """The integer value that stands for `value`: an initializer, or a QuantizeLinear behind FP32."""
        if value not in self._quantized:
            qparams = self._qparams[value]
            array = constant(value)
            if array is not None:
                q = add_initializer(self.graph, f"{value.name}_quantized", affine.quantize(array, qparams))
                self._quantized[value] = q
            else:
                producer = value.producer()
                insert = self.graph.append if producer is None else None
                self._quantized[value] = self.add_q(value, self._insert_behind(value) if insert is None else None)
        return self._quantized[value]

    def add_q(self, value: ir.Value, insert: Callable[[ir.Node], None] | None) -> ir.Value:
        """QuantizeLinear of a float value; without `insert`, at the head of the graph."""
        qparams = self._qparams[value]
        name = value.name or ""
        node = ir.node(
            "QuantizeLinear",
            [value, self.scale(name, qparams), self.zero_point(name, qparams)],
            name=f"{name}_QuantizeLinear",
        )
        (q,) = node.outputs
        describe(q, f"{name}_quantized", DTYPES[qparams.qtype.dtype], value)
        if insert is not None:
            insert(node)
        else:
            self.graph.insert_before(self.graph[0], node)
        self._quantized[value] = q
        return q

    def add_dq(self, q: ir.Value, name: str, qparams: QParams, like: ir.Value | None = None) -> ir.Node:
        """DequantizeLinear of an integer value; not yet in the graph."""
        attributes = {} if qparams.axis is None else {"axis": qparams.axis}
        inputs = [q, self.scale(name, qparams), self.zero_point(name, qparams)]
        node = ir.node("DequantizeLinear", inputs, attributes)
        describe(node.outputs[0], f"{name}_dequantized", ir.DataType.FLOAT, like if like is not None else q)
        return node

    def produced(self, value: ir.Value, q: ir.Value, behind: ir.Node) -> None:
        """`q` stands for what INT8 node computes in `value`: give FP32 readers a DequantizeLinear of it."""
        self._quantized[value] = q
        inside = set(self.plan.int8_nodes)
        readers = [u for u in value.uses() if not (u.node.graph is self.graph and u.node.name in inside)]
        readers = [u for u in readers if u.node is not q.producer()]
        shapes = [u for u in readers if u.node.op_type in READS_SHAPE and not u.node.domain]
        for use in shapes:
            use.node.replace_input_with(use.idx, q)
        readers = [u for u in readers if u not in shapes]
        name = value.name or ""
        if readers or value.is_graph_output():
            node = self.add_dq(q, name, self._qparams[value], value)
            node.name = f"{name}_DequantizeLinear"
            self.graph.insert_after(behind, node)
            (result,) = node.outputs
            for use in readers:
                use.node.replace_input_with(use.idx, result)
            if value.is_graph_output():
                self.graph.outputs[list(self.graph.outputs).index(value)] = result
            value.name = None
            result.name = name

    def bias(self, node: ir.Node, bias_index: int, x: QParams, w: QParams) -> tuple[ir.Value, QParams] | None:
        """The int32 bias of a node at scale_x * scale_w, corrected as planned; None where it has none."""
        name = node.name or ""
        value = node.inputs[bias_index] if bias_index < len(node.inputs) else None
        shift = self.plan.bias_shift.get(name)
        array = constant(value)
        if array is None and shift is None:
            return None
        scale = affine.bias_scale(x, w)
        channels = scale.size if shift is None else shift.size
        total = np.zeros(channels) if array is None else np.broadcast_to(array.reshape(-1), (channels,))
        total = total.astype(np.float64) + (0 if shift is None else shift)
        q = affine.quantize_bias(total, scale)
        qparams = QParams(scale, np.zeros(scale.shape, np.int32), INT32, 0)
        return add_initializer(self.graph, f"{name}_bias_quantized", q), qparams

    def scale(self, name: str, qparams: QParams) -> ir.Value:
        """An initializer, shared by all tensors of the same scale."""
        return self._shared(f"{name}_scale", qparams.scale)

    def zero_point(self, name: str, qparams: QParams) -> ir.Value:
        """An initializer of the integer type, shared by all tensors of the same zero point."""
        return self._shared(f"{name}_zero_point", qparams.zero_point.astype(qparams.qtype.dtype))

    def _shared(self, name: str, array: Array) -> ir.Value:
        key = (array.tobytes(), str(array.dtype), array.shape)
        if key not in self._constants:
            self._constants[key] = add_initializer(self.graph, name, array)
        return self._constants[key]

    def _insert_behind(self, value: ir.Value) -> Callable[[ir.Node], None]:
        producer = value.producer()
        assert producer is not None
        return lambda node: self.graph.insert_after(producer, node)


def describe(value: ir.Value, name: str, dtype: ir.DataType, like: ir.Value) -> None:
    """Name and type a new value; its shape is that of `like`."""
    value.name = name
    value.type = ir.TensorType(dtype)
    value.shape = like.shape
