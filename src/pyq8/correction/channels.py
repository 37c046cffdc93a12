"""Tensors whose channels can be scaled together without changing what the model computes.

ReLU, pooling and Add commute with positive factors, one a channel, if everything they read and write has the same ones:

    relu(s x) = s relu(x),  max(s x) = s max(x),  s x + s y = s (x + y)

A convolution ends such a bundle on both sides: its weight takes the factors of its output and gives back those of its
input, W'_oc = s_o W_oc / t_c. So does a depthwise one, with one factor of each. Every other operator, a Clip to 6
among them, needs values as they are: what it reads and writes keeps the factor 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from pyq8.graph_edit import constant, is_depthwise, only_reader, static_int

HOMOGENEOUS = ("Relu", "LeakyRelu", "MaxPool", "AveragePool", "GlobalAveragePool")


@dataclass(frozen=True)
class Bundle:
    """What has the same factors.

    Args:
        channels: how many.
        values: [N, channels, ...], in graph order.
        writers: Conv and Gemm that write one of them.
        readers: Conv and Gemm that read one of them.
    """

    channels: int
    values: tuple[ir.Value, ...]
    writers: tuple[ir.Node, ...]
    readers: tuple[ir.Node, ...]


def find_bundles(graph: ir.Graph) -> list[Bundle]:
    """Every bundle that can be scaled, in graph order."""
    ties = _Ties()
    for node in graph:
        _tie(node, ties)
    for value in (*graph.inputs, *graph.outputs):
        ties.fix(value)
    inside = set(graph)
    found: dict[ir.Value, list[ir.Value]] = {}
    for node in graph:
        for value in node.outputs:
            if any(use.node not in inside for use in value.uses()):
                ties.fix(value)  # the body of a Loop, If or Scan reads it
            found.setdefault(ties.root(value), []).append(value)
    bundles = []
    for root, values in found.items():
        channels = {v.shape[1] if v.shape is not None and len(v.shape) > 1 else None for v in values}
        count = channels.pop() if len(channels) == 1 else None
        if ties.is_fixed(root) or not isinstance(count, int):
            continue
        members = set(values)
        writers = [v.producer() for v in values if (n := v.producer()) is not None and scales(n)]
        readers = [u.node for v in values for u in v.uses() if scales(u.node) and u.node.inputs[0] in members]
        if writers and readers:
            bundles.append(Bundle(count, tuple(values), tuple(w for w in writers if w), tuple(dict.fromkeys(readers))))
    return bundles


def scales(node: ir.Node) -> bool:
    """Whether its constant weight, which nothing else reads, can take and give back factors."""
    weight = node.inputs[1] if node.op_type in ("Conv", "Gemm") and node.domain == "" else None
    if weight is None or constant(weight) is None or only_reader(weight) is None:
        return False
    bias = node.inputs[2] if len(node.inputs) > 2 else None
    if bias is not None and (constant(bias) is None or only_reader(bias) is None):
        return False
    if node.op_type == "Gemm":
        plain = all(node.attributes.get_float(name, 1.0) == 1 for name in ("alpha", "beta"))
        return plain and static_int(node, "transA", 0) == 0
    return static_int(node, "group", 1) == 1 or is_depthwise(node)


class _Ties:
    """Sets of values that have the same factors; a fixed set has none."""

    def __init__(self) -> None:
        self._parent: dict[ir.Value, ir.Value] = {}
        self._fixed: set[ir.Value] = set()

    def root(self, value: ir.Value) -> ir.Value:
        path = []
        while (parent := self._parent.get(value, value)) is not value:
            path.append(value)
            value = parent
        for passed in path:
            self._parent[passed] = value
        return value

    def tie(self, a: ir.Value, b: ir.Value) -> None:
        a, b = self.root(a), self.root(b)
        if a is not b:
            self._parent[a] = b
            if a in self._fixed:
                self._fixed.add(b)

    def fix(self, value: ir.Value) -> None:
        self._fixed.add(self.root(value))

    def is_fixed(self, value: ir.Value) -> bool:
        return self.root(value) in self._fixed


def _tie(node: ir.Node, ties: _Ties) -> None:
    output = node.outputs[0]
    inputs = [v for v in node.inputs if v is not None and v.const_value is None]
    if node.domain == "":
        if scales(node) and node.inputs[0] in inputs:
            return
        ranks = [len(v.shape) if v.shape is not None else 0 for v in (*inputs, output)]
        homogeneous = node.op_type in HOMOGENEOUS and len(node.outputs) == 1
        if homogeneous or (node.op_type == "Add" and len(inputs) == 2 and _same_channels(*inputs)):
            for value in inputs:
                ties.tie(value, output)
            return
        if _flattens(node, ranks):
            ties.tie(inputs[0], output)
            return
    for value in (*inputs, *node.outputs):
        ties.fix(value)


def _same_channels(a: ir.Value, b: ir.Value) -> bool:
    """[N, C, ...] and [N, C, ...] of the same rank and the same known C."""
    if a.shape is None or b.shape is None or len(a.shape) != len(b.shape) or len(a.shape) < 2:
        return False
    return isinstance(a.shape[1], int) and a.shape[1] == b.shape[1]


def _flattens(node: ir.Node, ranks: list[int]) -> bool:
    """Whether it makes [N, C] of [N, C, 1, 1]."""
    if node.op_type not in ("Flatten", "Reshape", "Squeeze") or len(ranks) != 2 or ranks[1] != 2:
        return False
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None and source.shape is not None and output.shape is not None
    return ranks[0] > 2 and list(source.shape)[2:] == [1] * (ranks[0] - 2) and source.shape[1] == output.shape[1]
