"""Names for new nodes and values: nothing else in the graph has them, as ONNX Runtime demands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx_ir as ir

from pyq8.graph_edit import fresh, value_names

Owners = Mapping["ir.Node | ir.Value", "str | None"]


class Names:
    """Hands out names, of nodes and of values.

    Args:
        graph: whose names, those in control-flow bodies too, are taken.
    """

    def __init__(self, graph: ir.Graph) -> None:
        self._values = value_names(graph)
        self._nodes = {node.name for inner in (graph, *graph.subgraphs()) for node in inner}

    def value(self, name: str) -> str:
        """`name`, or `name_1`, `name_2` ... where a value is called that already."""
        return fresh(name, self._values)

    def node(self, name: str) -> str:
        """The same for a node."""
        return fresh(name, self._nodes)


def owners(graph: ir.Graph) -> Owners:
    """Every node and value, and what it is called now."""
    return {item: item.name for items in _members(graph) for item in items}


def rename_new(graph: ir.Graph, before: Owners) -> None:
    """Give every node and value that was not called so `before` a name of its own."""
    for items in _members(graph):
        taken = {item.name for item in items if before.get(item) == item.name}
        for item in items:
            if item.name and before.get(item) != item.name:
                name = fresh(item.name, taken)
                if name != item.name:
                    item.name = name


def _members(graph: ir.Graph) -> tuple[Iterable[ir.Node | ir.Value], Iterable[ir.Node | ir.Value]]:
    """The nodes, and the values: those first whose names others know."""
    graphs = (graph, *graph.subgraphs())
    nodes = [node for inner in graphs for node in inner]
    outer = [v for inner in graphs for v in (*inner.outputs, *inner.inputs, *inner.initializers.values())]
    return nodes, list(dict.fromkeys([*outer, *(v for node in nodes for v in node.outputs)]))
