"""The quantized form of every tensor, shared by both output formats."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8 import affine
from pyq8.fresh_names import Names
from pyq8.graph_edit import constant, register_initializer, shape_readers
from pyq8.types import INT32, Array, Plan, QParams

DTYPES = {"uint8": ir.DataType.UINT8, "int8": ir.DataType.INT8, "int32": ir.DataType.INT32}


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
        names = Names(graph)
        self.fresh, self.fresh_node = names.value, names.node
        for values in (graph.inputs, *(n.outputs for n in graph), graph.initializers.values()):
            for value in values:
                if value.name is not None and value.name in plan.qparams:
                    self._qparams[value] = plan.qparams[value.name]

    def initializer(self, name: str, array: Array) -> ir.Value:
        """A new constant of the graph, called `name` or the like."""
        return register_initializer(self.graph, self.fresh(name), array)

    def qparams(self, value: ir.Value) -> QParams | None:
        """The plan's parameters of a value, whatever it is called by now."""
        return self._qparams.get(value)

    def quantized(self, value: ir.Value) -> ir.Value:
        """The integer value that stands for `value`: an initializer, or a QuantizeLinear behind FP32."""
        if value not in self._quantized:
            qparams = self._qparams[value]
            array = constant(value)
            if array is not None:
                codes = self.plan.codes.get(value.name or "")
                codes = affine.quantize(array, qparams) if codes is None else codes
                self._quantized[value] = self.initializer(f"{value.name}_quantized", codes)
            else:
                self.add_q(value)
        return self._quantized[value]

    def stored(self, node: ir.Node) -> None:
        """What a DequantizeLinear of the model reads stands for what it computes; FP32 readers go on reading that."""
        source = node.inputs[0]
        assert source is not None
        for reader in shape_readers(node.outputs[0]):
            reader.replace_input_with(0, source)
        self._quantized[node.outputs[0]] = source

    def add_q(self, value: ir.Value) -> ir.Value:
        """QuantizeLinear of a float value, right behind what computes it."""
        qparams = self._qparams[value]
        name = value.name or ""
        node = ir.node(
            "QuantizeLinear",
            [value, self.scale(name, qparams), self.zero_point(name, qparams)],
            name=self.fresh_node(f"{name}_QuantizeLinear"),
        )
        (q,) = node.outputs
        describe(q, self.fresh(f"{name}_quantized"), DTYPES[qparams.qtype.dtype], value)
        producer = value.producer()
        if producer is not None:
            self.graph.insert_after(producer, node)
        else:
            self.graph.insert_before(self.graph[0], node)
        self._quantized[value] = q
        return q

    def add_dq(self, q: ir.Value, name: str, qparams: QParams, result: str) -> ir.Node:
        """DequantizeLinear of an integer value, its output called `result`; not yet in the graph."""
        attributes = {} if qparams.axis is None else {"axis": qparams.axis}
        inputs = [q, self.scale(name, qparams), self.zero_point(name, qparams)]
        node = ir.node("DequantizeLinear", inputs, attributes)
        describe(node.outputs[0], result, ir.DataType.FLOAT, q)
        return node

    def produced(self, value: ir.Value, q: ir.Value, behind: ir.Node) -> None:
        """`q` stands for what INT8 node computes in `value`: give FP32 readers a DequantizeLinear of it."""
        self._quantized[value] = q
        inside = set(self.plan.int8_nodes)
        readers = [u for u in value.uses() if not (u.node.graph is self.graph and u.node.name in inside)]
        readers = [u for u in readers if u.node is not q.producer()]
        # what reads no values takes the uint8 tensor, so that nothing is dequantized for it
        shapes = [u for u in readers if u.node in shape_readers(value)]
        for use in shapes:
            use.node.replace_input_with(use.idx, q)
        readers = [u for u in readers if u not in shapes]
        name = value.name or ""
        if readers or value.is_graph_output():
            node = self.add_dq(q, name, self._qparams[value], name)
            node.name = self.fresh_node(f"{name}_DequantizeLinear")
            self.graph.insert_after(behind, node)
            (result,) = node.outputs
            for use in readers:
                use.node.replace_input_with(use.idx, result)
            if value.is_graph_output():
                self.graph.outputs[list(self.graph.outputs).index(value)] = result
            value.name = None

    def bias(self, node: ir.Node, bias_index: int, x: QParams, w: QParams) -> tuple[ir.Value, QParams] | None:
        """The int32 bias of a node at scale_x * scale_w, corrected as planned; None where it has none."""
        name = node.name or ""
        value = node.inputs[bias_index] if bias_index < len(node.inputs) else None
        shift = self.plan.bias_shift.get(name)
        array = constant(value)
        if array is None and shift is None:
            return None
        scale = affine.bias_scale(x, w)
        total: Array = np.zeros(1) if array is None else array.reshape(-1).astype(np.float64)
        total = total if shift is None else total + shift
        q = affine.quantize_bias(total, scale)
        qparams = QParams(scale, np.zeros(scale.shape, np.int32), INT32, w.axis if w.axis is None else 0)
        return self.initializer(f"{name}_bias_quantized", q), qparams

    def scale(self, name: str, qparams: QParams) -> ir.Value:
        """An initializer, shared by all tensors of the same scale."""
        return self._shared(f"{name}_scale", qparams.scale)

    def zero_point(self, name: str, qparams: QParams) -> ir.Value:
        """An initializer of the integer type, shared by all activations of the same zero point.

        Weights have one each: session.x64quantprecision, which makes 8-bit weights safe on CPUs without VNNI, turns
        every weight's into uint8, and ONNX Runtime (1.31) fails to load a model where it meets the same one twice.
        """
        array = qparams.zero_point.astype(qparams.qtype.dtype)
        if qparams.qtype.dtype == "int8":
            return self.initializer(f"{name}_zero_point", array)
        return self._shared(f"{name}_zero_point", array)

    def _shared(self, name: str, array: Array) -> ir.Value:
        key = (array.tobytes(), str(array.dtype), array.shape)
        if key not in self._constants:
            self._constants[key] = self.initializer(name, array)
        return self._constants[key]


def describe(value: ir.Value, name: str, dtype: ir.DataType, like: ir.Value) -> None:
    """Name and type a new value; its shape is that of `like`."""
    value.name = name
    value.type = ir.TensorType(dtype)
    value.shape = like.shape
