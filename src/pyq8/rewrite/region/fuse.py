"""Put regions into a QOperator graph."""

from __future__ import annotations

import math
from collections.abc import Collection

import onnx_ir as ir

from pyq8.fresh_names import owners, rename_new
from pyq8.graph_edit import constant, register_initializer, replace_node, static_int, value_names
from pyq8.rewrite.region.build import build
from pyq8.rewrite.region.heads import leave_channels_last
from pyq8.rewrite.region.match import looked_through, obstacle
from pyq8.rewrite.region.nodes import data, is_bytes, rank, size
from pyq8.rewrite.region.normalize import join_normalization
from pyq8.rewrite.region.sharing import find_sharing
from pyq8.rewrite.region.sizes import name_sizes
from pyq8.rewrite.region.spec import DOMAIN, OP_TYPE, VERSION, Constants
from pyq8.rewrite.region.tables import OP_TYPE as QLINEAR_TABLE
from pyq8.rewrite.region.tables import as_gather, join_chain


def fuse(model: ir.Model, apart: Collection[str] = (), alone: bool = False) -> dict[str, str]:
    """Replace what regions can compute by `Region` nodes, in place: the same numbers, bit for bit.

    But for an L2 normalization, whose sums of squares are exact, and for a chain that becomes a table, whose function
    is: those of ONNX Runtime are rounded.

    Args:
        model: in QOperator form.
        apart: names of nodes that stay FP32 whatever is around them.
        alone: a region for every node, to measure what one for many is worth (docs/adr/0004).

    Returns:
        name of a node with an integer operator that stays -> why.
    """
    from onnx_ir.passes import common

    graph = model.graph
    before = owners(graph)
    _flatten(graph)
    for node in list(graph):
        join_normalization(node)
        join_chain(node, apart)
        leave_channels_last(node)
    common.RemoveUnusedNodesPass()(model)
    name_sizes(graph)
    obstacles = {node: obstacle(node) for node in graph}
    left: dict[str, str] = {}
    regions = _alone(graph, obstacles) if alone else _regions(graph, obstacles)
    inside = {node for nodes in regions for node in nodes}
    for node in [n for n in graph if n.op_type == QLINEAR_TABLE and n not in inside]:
        as_gather(node)
    sharing = find_sharing(regions)
    made: dict[int, list[ir.Node]] = {}
    blobs = [Constants() for _ in regions]
    for number, nodes in enumerate(regions):
        first = sharing[number]
        together = made.setdefault(first, [])
        together.append(_replace(graph, nodes, f"region_{number}", blobs[first]))
        if first not in sharing[number + 1 :]:
            blob = register_initializer(graph, f"{together[0].name}_constants", blobs[first].blob())
            for node in together:
                node.replace_input_with(0, blob)
    rename_new(graph, before)
    for node, why in obstacles.items():
        if why and node.graph is graph and node.op_type.startswith(("QLinear", "QGemm")):
            left[node.name or node.op_type] = why
    if any(node.domain == DOMAIN for node in graph):
        graph.opset_imports[DOMAIN] = VERSION
    common.RemoveUnusedNodesPass()(model)
    return left


def _flatten(graph: ir.Graph) -> None:
    """A Reshape that QGemm reads can only be a Flatten, whatever computes its shape."""
    for node in list(graph):
        x, y = node.inputs[0] if node.inputs else None, node.outputs[0]
        if node.op_type != "Reshape" or node.domain or not is_bytes(x) or x is None or rank(x) not in (2, 4):
            continue
        readers = [use.node for use in y.uses()]
        channels = math.prod(size(x, axis) for axis in range(1, rank(x)))
        if readers and channels and not y.is_graph_output() and all(_columns(r) == channels for r in readers):
            flat = ir.node("Flatten", [x], {"axis": 1}, name=node.name)
            flat.outputs[0].name, flat.outputs[0].type = f"{y.name}_flat", y.type
            assert x.shape is not None
            flat.outputs[0].shape = ir.Shape([x.shape[0], channels])
            replace_node(node, [flat])


def _columns(node: ir.Node) -> int:
    """Of the weight of a QGemm, 0 for another operator."""
    weight = constant(node.inputs[3]) if node.op_type == "QGemm" else None
    return 0 if weight is None else weight.shape[1 if static_int(node, "transB", 0) else 0]


def _regions(graph: ir.Graph, obstacles: dict[ir.Node, str]) -> list[list[ir.Node]]:
    """Groups of nodes that can run as one: no way out of a group leads back into it."""
    depth: dict[ir.Node, int] = {}
    groups: dict[int, list[ir.Node]] = {}
    for node in graph:
        before = [(v, p) for v in node.inputs if v is not None and (p := v.producer()) is not None and p in depth]
        can = not obstacles[node]
        left = [(p, bool(obstacles[p]) or not is_bytes(v)) for v, p in before]  # what a region computes ends at a float
        depth[node] = max((depth[p] + (can and out) for p, out in left), default=0)
        if can:
            groups.setdefault(depth[node], []).append(node)
    worth = ("QLinearConv", "QGemm")
    return [nodes for _, nodes in sorted(groups.items()) if any(n.op_type in worth for n in nodes)]


def _alone(graph: ir.Graph, obstacles: dict[ir.Node, str]) -> list[list[ir.Node]]:
    """Every node that computes, with what it looks through."""
    found = []
    for node in (n for n in graph if not obstacles[n] and not looked_through(n)):
        value = data(node)
        made = value.producer() if value is not None else None
        through = made is not None and not obstacles.get(made, "outside") and looked_through(made)
        found.append([made, node] if made is not None and through else [node])
    return found


def _replace(graph: ir.Graph, nodes: list[ir.Node], name: str, constants: Constants) -> ir.Node:
    """Put a region in the place of nodes; its first input, the constants, is still missing."""
    region = build(nodes, constants)
    taken = value_names(graph)
    while f"{name}_constants" in taken:
        name += "_"
    tensors, layers = region.spec.numbers()
    attributes = [ir.AttrInt64s("version", [VERSION])]
    attributes += [ir.AttrInt64s("tensors", tensors), ir.AttrInt64s("layers", layers)]
    attributes.append(ir.AttrStrings("names", region.names))
    outputs = len(region.outputs)
    node = ir.Node(DOMAIN, OP_TYPE, [None, *region.inputs], attributes, num_outputs=outputs, name=name)
    graph.insert_after(nodes[-1], node)
    for old, new in zip(region.outputs, node.outputs, strict=True):
        new.type, new.shape = old.type, old.shape
        old.replace_all_uses_with(new, replace_graph_outputs=True)
        new.name, old.name = old.name, None
    graph.sort()
    return node
