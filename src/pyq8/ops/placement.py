"""Which node can compute in INT8, which stays FP32, and why.

A node can be INT8 when it multiplies by weights, or when it lies between such nodes and an INT8 tensor reaches it.
So image normalization before the first convolution, and box decoding, NMS, TopK or softmax behind the last one,
stay FP32 without a flag; what only moves values right before the first one or right behind the last one moves them as
uint8. Bodies of Loop, If and Scan are not looked into.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
import onnx_ir as ir

from pyq8.errors import UsageError
from pyq8.graph_edit import reads
from pyq8.ops import NO_KERNEL, SameAs, Stored, find_rule
from pyq8.types import TABLE

MOVING = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "DepthToSpace")
"""What may stand between a detector's head and its post-processing."""
EXCLUDED = "excluded by"
"""How the reason begins why a node is FP32 that the user or a search wants FP32."""
ENTERING = ("Reshape", "Transpose", "Pad")
"""What may stand between the input and the first convolution."""


@dataclass(frozen=True)
class Placement:
    """The decision for every node of the main graph.

    Args:
        int8: the nodes that compute in INT8, in graph order.
        float_nodes: node name -> why it stays FP32, or TABLE.
        absorbed: Relu / Clip node name -> name of the INT8 node whose saturation computes it.
        outputs: INT8 node name -> the value that holds its result (behind what it absorbed).
    """

    int8: tuple[ir.Node, ...]
    float_nodes: dict[str, str]
    absorbed: dict[str, str]
    outputs: dict[str, ir.Value]
    _roots: dict[ir.Value, ir.Value] = field(default_factory=dict, init=False, repr=False, compare=False)

    def output(self, node: ir.Node) -> ir.Value:
        """The value that holds an INT8 node's first result."""
        return self.outputs[node.name or ""]

    def quantized_readers(self, value: ir.Value) -> list[ir.Node]:
        """The INT8 nodes that read `value` as an activation."""
        inside = set(self.int8)
        return [u.node for u in value.uses() if u.node in inside and _is_activation(u.node, u.idx)]

    def is_stored(self, value: ir.Value) -> bool:
        """Whether `value` is uint8 pixels, which need no quantizing."""
        producer = value.producer()
        rule = find_rule(producer)
        return rule is not None and isinstance(rule.output, Stored) and producer in self.int8

    def is_table(self, node: ir.Node) -> bool:
        """Whether a region computes `node` in a table: it reads and writes codes there, see `pyq8.ops.tables`."""
        return self.float_nodes.get(node.name or "") == TABLE

    def scale_root(self, value: ir.Value) -> ir.Value:
        """The value whose scale and zero point `value` shares."""
        passed = []
        while (source := self._shares_with(value)) is not None and value not in self._roots:
            passed.append(value)
            value = source
        root = self._roots.get(value, value)
        self._roots.update(dict.fromkeys(passed, root))  # many values in a row would walk the same way
        return root

    def _shares_with(self, value: ir.Value) -> ir.Value | None:
        """The value that an INT8 node makes it of without changing the scale."""
        producer = value.producer()
        rule = find_rule(producer)
        if producer is None or rule is None or (producer.name or "") not in self.outputs:
            return None
        if producer.op_type == "Concat" and len(set(producer.inputs)) == 1:  # of one tensor, side by side
            return producer.inputs[0]
        return producer.inputs[rule.output.input] if isinstance(rule.output, SameAs) else None


def place(model: ir.Model, exclude: Sequence[str] = (), costly: Mapping[str, str] | None = None) -> Placement:
    """Decide for every node.

    Args:
        model: prepared.
        exclude: names or fnmatch patterns of nodes that stay FP32.
        costly: name -> why, of nodes that could be INT8 and stay FP32 because that is faster, see `by_cost`; TABLE for
            those that a region computes in a table, see `tables`.

    Raises:
        UsageError: a pattern matches no node.
    """
    excluded = _match(model, exclude)
    absorbed, outputs = _absorb(model.graph)
    groups: dict[str, list[str]] = {}
    for activation, owner in absorbed.items():
        groups.setdefault(owner, []).append(activation)
    leads = _leading(model.graph)
    entering = _entering(model.graph, {*excluded, *(costly or {})})
    int8: list[ir.Node] = []
    reasons: dict[str, str] = {}
    tensors: set[ir.Value] = set()
    started: set[ir.Node] = set()
    for node in model.graph:
        name = node.name or ""
        behind = any(v.producer() in started for v in reads(node))
        if _is_compute(node) or behind:
            started.add(node)
        if name in absorbed and absorbed[name] not in reasons:
            continue
        pattern = next((excluded[n] for n in [name, *groups.get(name, [])] if n in excluded), None)
        enters = node in entering and node not in started
        reason = (costly or {}).get(name)
        if reason == TABLE and (node not in leads or tensors.isdisjoint(reads(node))):
            reason = None  # a chain is a table between INT8 nodes only
        reason = reason or (None if enters else _objection(node, leads, started, tensors))
        if pattern is not None and (reason is None or name in excluded):
            reason = f"{EXCLUDED} {pattern!r}"
        if name in absorbed and node in leads and node in started and reason != TABLE:
            reason = f"its producer {absorbed[name]!r} stays FP32"
        if reason is not None:
            reasons[name] = reason
            tensors.update(node.outputs if reason == TABLE else ())
            continue
        int8.append(node)
        tensors.add(outputs.get(name, node.outputs[0]))
        tensors.update(node.outputs)
    inside = {n.name for n in int8}
    absorbed = {a: owner for a, owner in absorbed.items() if owner in inside}
    results = {n.name or "": outputs.get(n.name or "", n.outputs[0]) for n in int8}
    return Placement(tuple(int8), reasons, absorbed, results)


def why_none(model: ir.Model) -> str:
    """Why no node of a prepared model can be INT8: what the first one that multiplies by weights lacks."""
    for node in model.graph:
        rule = find_rule(node)
        reason = NO_KERNEL.get(node.op_type) if rule is None else rule.check(node)
        if node.op_type == "ConvTranspose" or (rule is not None and rule.weight is not None):
            return f"node {node.name!r} ({node.op_type}) stays FP32 ({reason})"
    return "its convolutions are all in bodies of If, Loop or Scan, which stay FP32"


def _objection(node: ir.Node, leads: set[ir.Node], started: set[ir.Node], tensors: set[ir.Value]) -> str | None:
    """Why a node stays FP32, from the most general reason to the most particular."""
    if node not in leads:
        return None if _moves_on(node, tensors) else "behind the last convolution"
    if node not in started:
        return "before the first convolution"
    if node.outputs[0].dtype not in (None, ir.DataType.FLOAT):
        return "it does not compute float32"
    rule = find_rule(node)
    if rule is None:
        if node.op_type in ("Relu", "Clip"):
            return _activation_reason(node)
        return NO_KERNEL.get(node.op_type, f"ONNX Runtime has no INT8 {node.op_type}")
    objection = rule.check(node)
    if objection is not None or rule.weight is not None:
        return objection
    values = [v for _, v in rule.activations(node)]
    return None if any(v in tensors for v in values) else "what it reads is FP32"


def _moves_on(node: ir.Node, tensors: set[ir.Value]) -> bool:
    """Whether a node behind the last convolution only moves its result: that costs least, and nothing else, as uint8.

    Not where the convolution (a Gemm) would write float32 otherwise.
    """
    rule = find_rule(node)
    source = node.inputs[0] if node.inputs else None
    if rule is None or node.op_type not in MOVING or source not in tensors or rule.check(node) is not None:
        return False
    producer = source.producer() if source is not None else None
    before = find_rule(producer)
    return before is not None and not before.float_output


def _entering(graph: ir.Graph, excluded: Container[str]) -> set[ir.Node]:
    """Nodes that only move what convolutions read: quantized before them, it is moved as uint8."""
    takes: set[ir.Node] = set()
    entering: set[ir.Node] = set()
    for node in reversed(graph):
        rule = find_rule(node)
        if rule is None or rule.check(node) is not None or (node.name or "") in excluded:
            continue
        if rule.weight is not None:
            takes.add(node)
        elif isinstance(rule.output, Stored):
            entering.add(node)
        elif node.op_type in ENTERING and node.outputs[0].dtype == ir.DataType.FLOAT:
            uses = node.outputs[0].uses()
            if (
                uses
                and not node.outputs[0].is_graph_output()
                and all(u.node in takes and _is_activation(u.node, u.idx) for u in uses)
            ):
                entering.add(node)
                takes.add(node)
    return entering


def _activation_reason(node: ir.Node) -> str:
    source = node.inputs[0]
    if clip_range(node) is None:
        return "its range is not constant, or does not hold 0"
    if source is not None and (len(source.uses()) > 1 or source.is_graph_output()):
        return "others read its input too, so that no INT8 node can absorb it"
    return "no INT8 node right before it can absorb it"


def _is_compute(node: ir.Node) -> bool:
    rule = find_rule(node)
    return rule is not None and rule.weight is not None and rule.check(node) is None and not _is_expectation(node)


def _is_expectation(node: ir.Node) -> bool:
    """Whether a convolution or product is the mean of a distribution: one output, of a softmax that was moved at most.

    It decodes a box (distribution focal loss) with a handful of weights: no convolution that others are before.
    """
    rule = find_rule(node)
    if rule is None or rule.weight is None:
        return False
    weight = node.inputs[rule.weight]
    if weight is None or weight.shape is None or weight.shape[rule.weight_axis(node)] != 1:
        return False
    source = node.inputs[rule.inputs[0] if rule.inputs else 0]
    while source is not None and (producer := source.producer()) is not None and producer.op_type in MOVING:
        source = producer.inputs[0]
    return source is not None and (producer := source.producer()) is not None and producer.op_type == "Softmax"


def _is_activation(node: ir.Node, index: int) -> bool:
    rule = find_rule(node)
    return rule is not None and index in [i for i, _ in rule.activations(node)]


def _leading(graph: ir.Graph) -> set[ir.Node]:
    """Nodes from which one that multiplies by weights is reachable, itself included."""
    leads: set[ir.Node] = set()
    needed: set[ir.Value] = set()
    for node in reversed(graph):
        if _is_compute(node) or any(v in needed for v in node.outputs):
            leads.add(node)
            needed.update(reads(node))
    return leads


def _absorb(graph: ir.Graph) -> tuple[dict[str, str], dict[str, ir.Value]]:
    """Relu and Clip that a producer's saturation can compute: (activation -> producer, producer -> value)."""
    absorbed: dict[str, str] = {}
    outputs: dict[str, ir.Value] = {}
    for node in graph:
        source = node.inputs[0] if node.inputs else None
        if node.op_type not in ("Relu", "Clip") or source is None or source.is_graph_output():
            continue
        producer = source.producer()
        if producer is None or len(source.uses()) != 1 or not clip_range(node):
            continue
        owner = absorbed.get(producer.name or "", producer.name or "")
        rule = find_rule(producer)
        if owner in absorbed.values() or (rule is not None and rule.absorbs and not isinstance(rule.output, SameAs)):
            absorbed[node.name or ""] = owner
            outputs[owner] = node.outputs[0]
    return absorbed, outputs


def clip_range(node: ir.Node) -> tuple[float, float] | None:
    """The range [low, high] of a Relu or Clip if its ends are constant and hold 0, else None."""
    low, high = 0.0, float("inf")
    if node.op_type == "Clip":
        low = -high
        for i, value in enumerate(node.inputs[1:3]):
            if value is None:
                continue
            if value.const_value is None or not value.is_initializer():
                return None
            end = float(np.asarray(value.const_value.numpy()).reshape(()))
            low, high = (end, high) if i == 0 else (low, end)
    return (low, high) if low <= 0 < high else None


def _match(model: ir.Model, exclude: Sequence[str]) -> dict[str, str]:
    """Node name -> the pattern that excludes it."""
    names = [node.name or "" for node in model.graph]
    matched: dict[str, str] = {}
    for pattern in exclude:
        hits = [n for n in names if n == pattern] or [n for n in names if fnmatchcase(n, pattern)]
        if not hits:
            raise UsageError(f"--exclude {pattern!r} matches no node; see the names with: pyq8 inspect MODEL")
        matched.update(dict.fromkeys(hits, pattern))
    return matched
