"""The layers of one region from its nodes."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx_ir as ir

from pyq8 import affine
from pyq8.graph_edit import constant, static_int, static_ints
from pyq8.rewrite.region.match import is_bytes, looked_through, rank, size
from pyq8.rewrite.region.pack import pack, spread
from pyq8.rewrite.region.spec import CEIL, COUNT_ALL, TO_FLOAT, Kind, Layer, Sink, Source, Spec, Tensor
from pyq8.types import UINT8, Array, QParams

AHEAD = {"QLinearConv": 6, "QGemm": 7, "QLinearAdd": 6, "QLinearMul": 6, "QLinearConcat": 0, "QuantizeLinear": 1,
         "QLinearGlobalAveragePool": 3, "QLinearAveragePool": 3, "QLinearSigmoid": 3, "QLinearLeakyRelu": 3}  # fmt: skip
"""Where the scale of the output is among a node's inputs, its zero point behind it."""


class Builder:
    """Layers, tensors and constants of a region.

    Args:
        graph: of the nodes.
        nodes: of the region, in topological order.
        saturating: names of nodes whose saturation computes a Relu or Clip.
    """

    def __init__(self, graph: ir.Graph, nodes: list[ir.Node], saturating: Collection[str]) -> None:
        self.graph = graph
        self.nodes = nodes
        self.names: list[str] = []
        self._inside = set(nodes)
        self._saturating = set(saturating)
        self._spec = Spec()
        self._tensors: dict[ir.Value, int] = {}
        self._inputs: list[ir.Value] = []
        self._outputs: list[ir.Value] = []
        self._sums = self._find_sums()
        self._slices = self._find_slices()

    def build(self) -> tuple[Spec, list[ir.Value], list[ir.Value]]:
        """The region, what it reads, what it computes."""
        for node in self.nodes:
            if node in self._sums.values():
                continue  # computed with its sum
            if node.op_type == "QLinearAdd" and node in self._sums:
                self._conv(self._sums[node], node)
                continue
            emit = {"QLinearConv": self._conv, "QGemm": self._gemm, "QuantizeLinear": self._quantize,
                    "QLinearAdd": self._pair, "QLinearMul": self._pair, "QLinearConcat": self._concat,
                    "MaxPool": self._pool, "QLinearAveragePool": self._pool, "QLinearGlobalAveragePool": self._pool,
                    "QLinearSigmoid": self._table, "QLinearLeakyRelu": self._table,
                    "DequantizeLinear": self._dequantize}.get(node.op_type)  # fmt: skip
            if emit is not None:
                emit(node)
        self._hand_out()
        return self._spec, self._inputs, self._outputs

    # What fuses

    def _find_sums(self) -> dict[ir.Node, ir.Node]:
        """QLinearAdd -> the convolution that it runs in: read by it alone, rounded between only for it."""
        order = {node: i for i, node in enumerate(self.nodes)}
        found: dict[ir.Node, ir.Node] = {}
        for node in self.nodes:
            if node.op_type != "QLinearAdd":
                continue
            candidates = []
            for index in (0, 3):
                value, other = node.inputs[index], node.inputs[3 - index]
                conv = value.producer() if value is not None else None
                if conv is None or conv not in self._inside or conv.op_type != "QLinearConv" or value is other:
                    continue
                alone = len(value.uses()) == 1 and not value.is_graph_output() if value is not None else False
                if alone and conv.name not in self._saturating and not _is_depthwise(conv):
                    candidates.append(conv)
            if candidates:
                found[node] = max(candidates, key=lambda conv: order[conv])
        return found
        return found

    def _find_slices(self) -> dict[ir.Value, tuple[ir.Node, int]]:
        """Value -> the QLinearConcat that it is a part of where it lies, and its first channel there."""
        found: dict[ir.Value, tuple[ir.Node, int]] = {}
        joined = {n.outputs[0] for n in self.nodes if n.op_type == "QLinearConcat"}
        for node in self.nodes:
            if node.op_type != "QLinearConcat":
                continue
            offset = 0
            target = _qparams(node, 0)
            for i in range(2, len(node.inputs), 3):
                value = node.inputs[i]
                assert value is not None
                made = value.producer()
                if made is not None and made in self._inside and value not in found and value not in joined:
                    same = _qparams(node, i + 1) == target and (made.op_type in AHEAD or made.op_type == "MaxPool")
                    alone = len(value.uses()) == 1 and not value.is_graph_output()
                    if same or (alone and made.op_type == "QLinearConv" and not _is_depthwise(made)):
                        found[value] = (node, offset)
                offset += size(value, 1)
        return found

    # Tensors

    def _new(self, value: ir.Value, channels: int, zero: int) -> int:
        part = self._slices.get(value)
        if part is None:
            return self._add(value, Tensor(channels, zero))
        concat, offset = part
        whole = concat.outputs[0]
        if whole not in self._tensors:
            self._add(whole, Tensor(size(whole, 1), _qparams(concat, 0)[1]))
        return self._add(value, Tensor(channels, zero, self._tensors[whole], offset))

    def _add(self, value: ir.Value, tensor: Tensor) -> int:
        self._spec.tensors.append(tensor)
        self._tensors[value] = len(self._spec.tensors) - 1
        return self._tensors[value]

    def _read(self, value: ir.Value | None, zero: int) -> int:
        """The tensor of a value; it comes in from outside where nothing here computes it."""
        assert value is not None
        made = value.producer()
        if made in self._inside and made is not None and looked_through(made):
            source = made.inputs[0]
            assert source is not None
            if made.op_type == "Transpose":
                return self._tensors.get(source, -1) if source in self._tensors else self._come_in(source, zero, 3)
            return self._read(source, zero)
        if value in self._tensors:
            return self._tensors[value]
        return self._come_in(value, zero, 1)

    def _come_in(self, value: ir.Value, zero: int, axis: int) -> int:
        channels = size(value, axis)
        tensor = self._add(value, Tensor(channels, zero))
        mode = Source.BYTE_NHWC if axis == 3 else Source.BYTE_NCHW
        self._layer([], Layer(Kind.QUANTIZE, self._input(value), channels, tensor, mode=mode))
        return tensor

    def _input(self, value: ir.Value) -> int:
        if value not in self._inputs:
            self._inputs.append(value)
        return self._inputs.index(value)

    def _output(self, value: ir.Value) -> int:
        self._outputs.append(value)
        return len(self._outputs) - 1

    def _layer(self, nodes: list[ir.Node], layer: Layer) -> None:
        self._spec.layers.append(layer)
        self.names.append("\n".join(f"{node.op_type} {node.name}" for node in nodes))

    def _constant(self, array: Array) -> int:
        return self._spec.constants.add(array)

    def _floats(self, *values: float) -> int:
        return self._constant(np.array(values, np.float32))

    # Layers

    def _quantize(self, node: ir.Node) -> None:
        scale, zero = _qparams(node, 1)
        source = node.inputs[0]
        assert source is not None
        channels = size(source, 1)
        tensor = self._new(node.outputs[0], channels, zero)
        index = self._input(source)
        self._layer([node], Layer(Kind.QUANTIZE, index, channels, tensor, mode=Source.FLOAT_NCHW, scale=self._floats(scale)))

    def _conv(self, node: ir.Node, add: ir.Node | None = None) -> None:
        x_scale, x_zero = _qparams(node, 1)
        weight, w_scale = constant(node.inputs[3]), constant(node.inputs[4])
        assert weight is not None and w_scale is not None
        result = add or node
        y_scale = _qparams(node, 6)[0]
        y_zero = _qparams(result, 6)[1]
        x = self._read(node.inputs[0], x_zero)
        groups = static_int(node, "group", 1)
        channels = self._spec.tensors[x].channels
        weight = weight[:, : channels // groups]  # a Pad that is looked through added the others
        other, more = -1, -1
        if add is not None:
            index = 3 if add.inputs[0] is node.outputs[0] else 0
            other = self._read(add.inputs[index], _qparams(add, index + 1)[1])
            more = self._sum(add, zero=_qparams(node, 6)[1], other_first=index == 0)
        elif node.outputs[0] in self._slices:
            scale, zero = _qparams(self._slices[node.outputs[0]][0], 0)
            if (scale, zero) != (y_scale, y_zero):
                more, y_zero = self._floats(y_zero, y_scale, scale), zero
        bias = constant(node.inputs[8]) if len(node.inputs) > 8 else None
        y = self._new(result.outputs[0], len(weight), y_zero)
        pads = static_ints(node, "pads", [0] * 4)
        self._layer([node] if add is None else [node, add], self._products(
            weight, bias, x_zero, _multipliers(x_scale, w_scale, y_scale, len(weight)), x=x, y=y, other=other, more=more,
            stride=static_ints(node, "strides", [1, 1]), pads=pads, dilation=static_ints(node, "dilations", [1, 1]),
            groups=groups))  # fmt: skip

    def _gemm(self, node: ir.Node) -> None:
        x_scale, x_zero = _qparams(node, 1)
        weight, w_scale = constant(node.inputs[3]), constant(node.inputs[4])
        assert weight is not None and w_scale is not None
        weight = weight if static_int(node, "transB", 0) else weight.T
        x = self._read(node.inputs[0], x_zero)
        image = self._image(node.inputs[0])
        weight = weight.reshape(len(weight), *image) if image else weight[:, :, None, None]
        bias = constant(node.inputs[6]) if len(node.inputs) > 6 else None
        if len(node.inputs) > 8 and node.inputs[7] is not None:
            y_scale, y_zero = _qparams(node, 7)
            y, mode, more = self._new(node.outputs[0], len(weight), y_zero), 0, -1
        else:
            y_scale, mode, more = np.float32(1), TO_FLOAT, len(weight)
            y = self._output(node.outputs[0])
        scale = _multipliers(x_scale, w_scale, y_scale, len(weight))
        self._layer([node], self._products(weight, bias, x_zero, scale, x=x, y=y, mode=mode, more=more))

    def _image(self, value: ir.Value | None) -> tuple[int, int, int] | None:
        """The image that a Flatten makes a row of, if it has more than one pixel."""
        made = value.producer() if value is not None else None
        if made is None or made not in self._inside or made.op_type != "Flatten" or rank(made.inputs[0]) != 4:
            return None
        source = made.inputs[0]
        assert source is not None
        return size(source, 1), size(source, 2), size(source, 3)

    def _products(self, weight: Array, bias: Array | None, x_zero: int, scale: Array, *, x: int, y: int, other: int = -1,
                  more: int = -1, mode: int = 0, stride: list[int] | None = None, pads: list[int] | None = None,
                  dilation: list[int] | None = None, groups: int = 1) -> Layer:  # fmt: skip
        outputs, of_group, r, s = weight.shape
        stride, dilation, pads = stride or [1, 1], dilation or [1, 1], pads or [0] * 4
        total = np.zeros(outputs, np.int64) if bias is None else bias.astype(np.int64)
        total = total - x_zero * weight.astype(np.int64).sum((1, 2, 3))
        total = total.astype(np.int32)  # the runtime's sums wrap as these do
        tensor = self._spec.tensors[x]
        depthwise = of_group == 1 and groups == outputs == tensor.channels and other < 0 and mode == 0 and groups > 1
        if depthwise:
            kind, packed, spread_out = Kind.DEPTHWISE, weight[:, 0].transpose(1, 2, 0), (total, scale)
        else:
            whole = tensor.channels if tensor.parent < 0 else self._spec.tensors[tensor.parent].channels
            kind = Kind.CONV
            packed = pack(weight, groups, dilation[1] == 1 and groups == 1 and tensor.channels == whole)
            spread_out = spread(total, groups), spread(scale, groups)
        return Layer(kind, x, other, y, r, s, stride[0], stride[1], *pads, dilation[0], dilation[1], groups, mode,
                     self._constant(packed), self._constant(spread_out[0]), self._constant(spread_out[1]), more)  # fmt: skip

    def _pool(self, node: ir.Node) -> None:
        strides, dilations = static_ints(node, "strides", [1, 1]), static_ints(node, "dilations", [1, 1])
        pads, mode, scale = static_ints(node, "pads", [0] * 4), CEIL * static_int(node, "ceil_mode", 0), -1
        kernel = [0, 0]
        if node.op_type != "QLinearGlobalAveragePool":
            kernel = static_ints(node, "kernel_shape", [1, 1])
        if node.op_type == "MaxPool":
            kind, x = Kind.MAX_POOL, self._read(node.inputs[0], self._zero(node.inputs[0]))
            zero = self._spec.tensors[x].zero
        else:
            kind = Kind.AVERAGE_POOL
            (x_scale, x_zero), (y_scale, zero) = _qparams(node, 1), _qparams(node, 3)
            x = self._read(node.inputs[0], x_zero)
            scale = self._floats(_ratio(x_scale, y_scale))
            mode += COUNT_ALL * static_int(node, "count_include_pad", 0)
        y = self._new(node.outputs[0], self._spec.tensors[x].channels, zero)
        self._layer([node], Layer(kind, x, -1, y, *kernel, *strides, *pads, *dilations, 1, mode, scale=scale))

    def _zero(self, value: ir.Value | None) -> int:
        """The zero point of what comes in from outside; any other is known."""
        seen = value
        while seen is not None and (made := seen.producer()) is not None and made.op_type == "MaxPool":
            seen = made.inputs[0]
        return self._spec.tensors[self._tensors[seen]].zero if seen in self._tensors else 0

    def _pair(self, node: ir.Node) -> None:
        (a_scale, a_zero), (b_scale, b_zero), (y_scale, y_zero) = (_qparams(node, i) for i in (1, 4, 6))
        a, b = self._read(node.inputs[0], a_zero), self._read(node.inputs[3], b_zero)
        y = self._new(node.outputs[0], self._spec.tensors[a].channels, y_zero)
        if node.op_type == "QLinearAdd":
            kind, scale = Kind.ADD, self._sum(node)
        else:
            kind, scale = Kind.MULTIPLY, self._floats(np.float32(a_scale * b_scale) / y_scale)
        self._layer([node], Layer(kind, a, b, y, scale=scale))

    def _sum(self, node: ir.Node, zero: int = 0, other_first: bool = False) -> int:
        """The numbers of a Sum, isa8.h: those that ONNX Runtime's kernel computes with."""
        (a_scale, a_zero), (b_scale, b_zero), (y_scale, y_zero) = (_qparams(node, i) for i in (1, 4, 6))
        a, b = a_scale / y_scale, b_scale / y_scale
        fused = np.float32(np.float64(a) * a_zero + np.float64(b * np.float32(b_zero)))  # one rounding, as compiled there
        fixed = np.float32(y_zero) - fused
        return self._floats(a, b, fixed, zero, other_first)

    def _concat(self, node: ir.Node) -> None:
        whole = node.outputs[0]
        y_scale, y_zero = _qparams(node, 0)
        if whole not in self._tensors:
            self._add(whole, Tensor(size(whole, 1), y_zero))
        offset = 0
        for i in range(2, len(node.inputs), 3):
            value = node.inputs[i]
            assert value is not None
            channels = size(value, 1)
            if self._slices.get(value, (None,))[0] is not node:
                scale, zero = _qparams(node, i + 1)
                x = self._read(value, zero)
                self._spec.tensors.append(Tensor(channels, y_zero, self._tensors[whole], offset))
                codes = (np.arange(256) - zero).astype(np.float32) * scale
                table = affine.quantize(codes, _activation(y_scale, y_zero))
                self._layer([node], Layer(Kind.TABLE, x, -1, len(self._spec.tensors) - 1, weight=self._constant(table)))
            offset += channels

    def _table(self, node: ir.Node) -> None:
        (x_scale, x_zero), (y_scale, y_zero) = _qparams(node, 1), _qparams(node, 3)
        x = self._read(node.inputs[0], x_zero)
        real = (np.arange(256) - x_zero).astype(np.float32) * x_scale
        if node.op_type == "QLinearSigmoid":
            real = (1 / (1 + np.exp(-real.astype(np.float64)))).astype(np.float32)
        else:
            alpha = node.attributes.get("alpha")
            real = np.where(real < 0, real * np.float32(alpha.as_float() if alpha is not None else 0.01), real)
        y = self._new(node.outputs[0], self._spec.tensors[x].channels, y_zero)
        table = affine.quantize(real, _activation(y_scale, y_zero))
        self._layer([node], Layer(Kind.TABLE, x, -1, y, weight=self._constant(table)))

    def _dequantize(self, node: ir.Node) -> None:
        scale, zero = _qparams(node, 1)
        source = node.inputs[0]
        x = self._read(source, zero)
        mode = Sink.FLOAT_FLAT if rank(source) == 2 else Sink.FLOAT_NCHW
        y = self._output(node.outputs[0])
        self._layer([node], Layer(Kind.DEQUANTIZE, x, -1, y, mode=mode, scale=self._floats(scale)))

    def _hand_out(self) -> None:
        """uint8 tensors that nodes outside read."""
        for node in self.nodes:
            if node.op_type == "Transpose" and not looked_through(node):
                x = self._read(node.inputs[0], 0)
                y = self._output(node.outputs[0])
                self._layer([node], Layer(Kind.DEQUANTIZE, x, -1, y, mode=Sink.BYTE_NHWC))
                continue
            for value in node.outputs:
                outside = value.is_graph_output() or any(use.node not in self._inside for use in value.uses())
                if outside and is_bytes(value):
                    x = self._read(value, 0)
                    self._layer([], Layer(Kind.DEQUANTIZE, x, -1, self._output(value), mode=Sink.BYTE_NCHW))


def _is_depthwise(node: ir.Node) -> bool:
    weight = constant(node.inputs[3])
    return weight is not None and weight.shape[1] == 1 and static_int(node, "group", 1) == len(weight) > 1


def _qparams(node: ir.Node, index: int) -> tuple[np.float32, int]:
    scale, zero = constant(node.inputs[index]), constant(node.inputs[index + 1])
    assert scale is not None and zero is not None
    return np.float32(scale.reshape(())), int(zero.reshape(()))


def _ratio(a: np.float32, b: np.float32) -> float:
    return float(np.float32(a) / np.float32(b))


def _multipliers(x: np.float32, w: Array, y: np.float32, outputs: int) -> Array:
    """In the order of ONNX Runtime's kernel, float32."""
    return np.broadcast_to(np.float32(x) * w.astype(np.float32) / np.float32(y), (outputs,))


def _activation(scale: np.float32, zero: int) -> QParams:
    return QParams(np.asarray(scale, np.float32), np.asarray(zero, np.int32), UINT8)
