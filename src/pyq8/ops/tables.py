"""Which chains of elementwise operators lie between INT8 nodes, so that a region computes them as tables.

Their inner tensors are not quantized: what a chain hands on is rounded once, not after every operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyq8.ops import find_rule
from pyq8.ops.chains import find_sources
from pyq8.ops.placement import EXCLUDED, Placement, place
from pyq8.ops.rule import RULES
from pyq8.types import TABLE

if TYPE_CHECKING:
    import onnx_ir as ir


def find_tables(model: ir.Model, exclude: Sequence[str] = ()) -> dict[str, str]:
    """Node name -> TABLE, of every node of such a chain; to be given to `place`.

    Args:
        model: prepared.
        exclude: names or patterns of nodes that stay FP32.
    """
    plain = place(model, exclude)
    excluded = {name for name, reason in plain.float_nodes.items() if reason.startswith(EXCLUDED)}
    sources = find_sources(model.graph, excluded)
    absorbed = {name for name, owner in plain.absorbed.items() if owner not in {n.name for n in sources}}
    sources = find_sources(model.graph, excluded | absorbed)
    left = {source for source in sources.values() if _is_float(source, plain)}
    chains = {node: source for node, source in sources.items() if source not in left}
    tables = {node.name or "": TABLE for node, source in chains.items() if not _is_single(node, source, sources)}
    while True:
        placement = place(model, exclude, tables)
        idle = _unread(model.graph, placement)
        tables = {n: TABLE for n in tables if placement.float_nodes.get(n) == TABLE and n not in idle}
        if not idle:
            return tables


def _is_float(source: ir.Value, plain: Placement) -> bool:
    """Whether an INT8 node hands it on in float32, unrounded, unless a table reads it: a Gemm can."""
    rule = find_rule(producer := source.producer())
    return rule is not None and rule.float_output and producer in plain.int8 and not plain.quantized_readers(source)


def _is_single(node: ir.Node, source: ir.Value, sources: dict[ir.Node, ir.Value]) -> bool:
    """Whether it is a chain by itself for which there is an INT8 kernel: that is a table in a region, too."""
    behind = any(use.node in sources for use in node.outputs[0].uses())
    return node.op_type in RULES and list(node.inputs) == [source] and not behind


def _unread(graph: ir.Graph, placement: Placement) -> set[str]:
    """Nodes of chains of which no INT8 node reads a result."""
    read: set[ir.Node] = set()
    unread = set()
    for node in reversed(graph):
        if not placement.is_table(node):
            continue
        value = node.outputs[0]
        if placement.quantized_readers(value) or any(use.node in read for use in value.uses()):
            read.add(node)
        else:
            unread.add(node.name or "")
    return unread


@dataclass(frozen=True)
class Table:
    """A chain that a region computes: a table for each of its results.

    Args:
        source: the tensor that it is a function of.
        nodes: in graph order.
        results: what INT8 nodes read of it.
    """

    source: ir.Value
    nodes: tuple[ir.Node, ...]
    results: tuple[ir.Value, ...]


def tables_of(placement: Placement) -> list[Table]:
    """Every chain of a placement."""
    graph = placement.int8[0].graph if placement.int8 else None
    chains: dict[ir.Value, list[ir.Node]] = {}
    for node, source in find_sources([n for n in graph or () if placement.is_table(n)]).items():
        chains.setdefault(source, []).append(node)
    found = []
    for source, nodes in chains.items():
        results = [node.outputs[0] for node in nodes if placement.quantized_readers(node.outputs[0])]
        found.append(Table(source, tuple(nodes), tuple(results)))
    return found
