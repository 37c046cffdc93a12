"""Values tied together by their channels: to give one of them more channels means to give them to all.

A depthwise convolution, an activation, a pooling, an Add or a Mul ties what it writes to what it reads. A convolution
of one group does not: a bundle starts with the output channels of some, and ends with the input channels of others.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, is_depthwise, set_input, static_int
from pyq8.passes.rewriting import Refuse

CHANNELWISE = {
    **dict.fromkeys(("Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish"), 1),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool"), 1),
    **dict.fromkeys(("Add", "Mul"), 2),
}
"""Operators that compute every channel alone, finite from finite: how many of their inputs have channels."""


@dataclass
class Bundle:
    """What changes together.

    Args:
        rank: of every value, [N, C, ...].
        channels: C.
        values: in the order they were found.
        constants: (node, index of an input that is a constant) -> the axes that count channels.
        depthwise: the convolutions with C groups.
    """

    rank: int
    channels: int
    values: dict[ir.Value, None] = field(default_factory=dict)
    constants: dict[tuple[ir.Node, int], set[int]] = field(default_factory=dict)
    depthwise: dict[ir.Node, None] = field(default_factory=dict)

    def add_zeros(self, count: int) -> None:
        """`count` more channels whose weights, biases and factors are zero."""
        for (node, index), axes in self.constants.items():
            value, array = node.inputs[index], constant(node.inputs[index])
            assert value is not None and array is not None and node.graph is not None
            wide = np.pad(array, [(0, count if axis in axes else 0) for axis in range(array.ndim)])
            set_input(node, index, add_initializer(node.graph, f"{value.name}_padded", wide))
        for node in self.depthwise:
            node.attributes["group"] = ir.AttrInt64("group", self.channels + count)
        for value in self.values:
            assert value.shape is not None
            value.shape = ir.Shape([value.shape[0], self.channels + count, *list(value.shape)[2:]])

    def _collect(self, value: ir.Value, graph: ir.Graph) -> list[ir.Value]:
        """Take `value` in; what is tied to it."""
        if value.is_graph_output():
            raise Refuse(f"{value.name!r} with these channels is an output")
        if value.shape is None or len(value.shape) != self.rank or value.shape[1] != self.channels:
            raise Refuse(f"{value.name!r} is not known to have {self.channels} channels")
        producer = value.producer()
        if producer is None:
            raise Refuse(f"{value.name!r} with these channels is an input or a constant")
        self.values[value] = None
        tied = []
        for node in dict.fromkeys([producer, *(use.node for use in value.uses())]):
            if node.graph is not graph:
                raise Refuse(f"{value.name!r} with these channels is read by the body of a Loop, If or Scan")
            tied += self._through(node, value)
        return tied

    def _through(self, node: ir.Node, value: ir.Value) -> list[ir.Value]:
        """What `node`, which reads or writes `value`, ties to it."""
        if node.domain in ("", "ai.onnx"):
            if node.op_type == "Conv":
                return self._through_conv(node, value)
            if node.op_type in CHANNELWISE:
                return self._through_channelwise(node)
        raise Refuse(f"{node.op_type} {node.name!r} does not work channel by channel")

    def _through_conv(self, node: ir.Node, value: ir.Value) -> list[ir.Value]:
        bias = node.inputs[2] if len(node.inputs) > 2 else None
        if constant(node.inputs[1]) is None or (bias is not None and constant(bias) is None):
            raise Refuse(f"the weight or bias of {node.name!r} is not a constant")
        depthwise, group = is_depthwise(node), static_int(node, "group", 1)
        if group > 1 and not depthwise:
            raise Refuse(f"{node.name!r} has {group} groups")
        source, output = node.inputs[0], node.outputs[0]
        assert source is not None
        if depthwise or value is output:
            for index in (1, 2) if bias is not None else (1,):
                self.constants.setdefault((node, index), set()).add(0)
        if depthwise:
            self.depthwise[node] = None
            return [source, output]
        if value is source:
            self.constants.setdefault((node, 1), set()).add(1)
        return []

    def _through_channelwise(self, node: ir.Node) -> list[ir.Value]:
        if any(v.uses() or v.is_graph_output() for v in node.outputs[1:]):
            raise Refuse(f"the indices of {node.name!r} are read")
        tied = [node.outputs[0]]
        for index, operand in enumerate(node.inputs):
            if operand is None:
                continue
            array = constant(operand)
            if index >= CHANNELWISE[node.op_type]:
                if array is None:
                    raise Refuse(f"a limit of {node.name!r} is not a constant")
            elif array is not None:
                axis = array.ndim - self.rank + 1
                if not np.isfinite(array).all():
                    raise Refuse(f"the constant of {node.name!r} holds NaN or infinity")
                if axis >= 0 and array.shape[axis] != 1:
                    self.constants[node, index] = {axis}
            elif operand.shape is None or len(operand.shape) != self.rank or operand.shape[1] != 1:
                tied.append(operand)
        return tied


def bundle_of(value: ir.Value, graph: ir.Graph) -> Bundle:
    """Everything tied to `value`, [N, C, ...], in `graph`.

    Raises:
        Refuse: a node or a value among it must keep its channels.
    """
    channels = value.shape[1] if value.shape is not None and len(value.shape) > 1 else None
    if value.shape is None or not isinstance(channels, int):
        raise Refuse("the number of its channels is not known")
    bundle = Bundle(len(value.shape), channels)
    open_values = [value]
    while open_values:
        value = open_values.pop()
        if value not in bundle.values:
            open_values += bundle._collect(value, graph)
    return bundle
