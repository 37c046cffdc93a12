"""Which nodes go to FP32 together: an INT8 node that multiplies by weights, and what works on its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyq8.ops import find_rule
from pyq8.types import Plan

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Group:
    """Nodes that change their precision together.

    Args:
        name: of the node that multiplies by weights; the group is called after it.
        nodes: the INT8 nodes, `name` among them, in graph order.
        absorbed: every Relu and Clip that the saturation of one of them computes.
    """

    name: str
    nodes: tuple[str, ...]
    absorbed: tuple[str, ...] = ()


def find_groups(model: ir.Model, plan: Plan) -> tuple[Group, ...]:
    """Every INT8 node of the plan in exactly one group; groups in graph order of the node that names them.

    An INT8 node without weights (Add, Concat, pooling, a Reshape) belongs to the group that computes the last of its
    inputs; what only moves the input of the first convolution belongs to that convolution.

    Args:
        model: the prepared model that the plan was made for.
        plan: names the INT8 nodes and what they absorb.
    """
    int8 = set(plan.int8_nodes)
    order = [node for node in model.graph if node.name in int8]
    rank = {node.name or "": i for i, node in enumerate(order)}
    owner: dict[str, str] = {}

    def computing(value: ir.Value) -> str:
        """The INT8 node that computes a value, by itself or by its saturation; "" for none."""
        producer = value.producer()
        name = (producer.name or "") if producer is not None else ""
        name = plan.absorbed.get(name, name)
        return name if name in int8 else ""

    reads: dict[str, list[str]] = {}
    for node in order:
        name, rule = node.name or "", find_rule(node)
        assert rule is not None
        before = [n for _, v in rule.activations(node) if (n := computing(v))]
        for other in before:
            reads.setdefault(other, []).append(name)
        known = [n for n in before if n in owner]
        if rule.weight is not None:
            owner[name] = name
        elif known:
            owner[name] = owner[max(known, key=rank.__getitem__)]
    for node in reversed(order):
        name = node.name or ""
        owner.setdefault(name, next((owner[n] for n in reads.get(name, [])), name))
    members: dict[str, list[str]] = {}
    for node in order:
        members.setdefault(owner[node.name or ""], []).append(node.name or "")
    absorbed: dict[str, list[str]] = {}
    for activation, node_name in plan.absorbed.items():
        absorbed.setdefault(owner[node_name], []).append(activation)
    found = [Group(name, tuple(nodes), tuple(absorbed.get(name, ()))) for name, nodes in members.items()]
    return tuple(sorted(found, key=lambda group: rank[group.name]))
