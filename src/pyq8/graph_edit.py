"""The few graph edits that passes and rewriting share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from pyq8.types import Array


def constant(value: ir.Value | None) -> Array | None:
    """The array of an initializer; None for everything else."""
    if value is None or value.const_value is None or not value.is_initializer():
        return None
    return value.const_value.numpy()


def producer(value: ir.Value | None, *op_types: str) -> ir.Node | None:
    """The node that computes `value`, if it is one of ONNX's own operators `op_types`."""
    node = value.producer() if value is not None else None
    return node if node is not None and node.domain == "" and node.op_type in op_types else None


def only_reader(value: ir.Value, shapes: bool = True) -> ir.Node | None:
    """The one node that reads `value` once; None if others do or the value is a graph output.

    Without `shapes`, what reads only its shape does not count.
    """
    ignored = [] if shapes else shape_readers(value)
    uses = [use for use in value.uses() if use.node not in ignored]
    if value.is_graph_output() or len(uses) != 1:
        return None
    (use,) = uses
    return use.node


OUTSIDE = "pyq8.outside"
"""Key of the metadata of an integer node in a model with regions: why no region computes it."""
RANDOM = frozenset("RandomNormal RandomNormalLike RandomUniform RandomUniformLike Multinomial Bernoulli".split())
"""Operators whose every run gives something else, unless they have a seed."""
READS_SHAPE = ("Shape", "Size")
"""Operators that read no values."""


def shape_readers(value: ir.Value) -> list[ir.Node]:
    """The nodes that read only the shape of `value`."""
    return [use.node for use in value.uses() if use.node.op_type in READS_SHAPE and not use.node.domain]


def reads(node: ir.Node) -> list[ir.Value]:
    """Its inputs, and what the bodies of a Loop, If or Scan read of what is outside of them."""
    bodies = [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
    inner = [n for body in bodies for n in ir.traversal.RecursiveGraphIterator(body)]
    own = {*bodies, *(n.graph for n in inner)}
    return [v for n in (node, *inner) for v in n.inputs if v is not None and v.graph not in own]


def behind(graph: ir.Graph, nodes: Iterable[ir.Node]) -> set[ir.Node]:
    """The nodes that read what one of these computes, through whatever is between."""
    found, computed = set[ir.Node](), {v for node in nodes for v in node.outputs}
    for node in graph:
        if not computed.isdisjoint(reads(node)):
            found.add(node)
            computed.update(node.outputs)
    return found


def add_initializer(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A new initializer called `name`, or `name_1`, `name_2` ... where a value is called that already."""
    return register_initializer(graph, fresh(name, value_names(graph)), array)


def fresh(name: str, taken: set[str | None]) -> str:
    """`name`, or `name_1`, `name_2` ... where that is taken; it is from now on."""
    unique, count = name, 0
    while unique in taken:
        count += 1
        unique = f"{name}_{count}"
    taken.add(unique)
    return unique


def register_initializer(graph: ir.Graph, name: str, array: Array) -> ir.Value:
    """A new initializer called `name`, as no other value is."""
    tensor = ir.tensor(np.asarray(array, order="C"), name=name)
    value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
    graph.register_initializer(value)
    return value


def value_names(graph: ir.Graph) -> set[str | None]:
    """Of all values, those of control-flow bodies too: they may not hide a new one."""
    names: set[str | None] = set()
    for inner in (graph, *graph.subgraphs()):
        names.update(value.name for value in inner.inputs)
        names.update(inner.initializers)
        names.update(value.name for node in inner for value in node.outputs)
    return names


def set_input(node: ir.Node, index: int, value: ir.Value | None) -> None:
    """Put `value` at input `index`, which may lie behind the last one."""
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def bypass(node: ir.Node, value: ir.Value) -> None:
    """Remove `node`: `value`, which another node computes, takes the name and the readers of its output.

    `value` must not be an output of the model yet.
    """
    output = node.outputs[0]
    name, graph = output.name, node.graph
    assert graph is not None
    if value.shape is None or output.is_graph_output():  # what the model declares of its outputs stays
        value.shape = output.shape or value.shape
    value.type = value.type or output.type
    output.replace_all_uses_with(value, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    output.name = None
    value.name = name


def replace_node(node: ir.Node, new: list[ir.Node]) -> None:
    """Put `new` where `node` is; the last one's output takes the name and the readers of its output."""
    graph, last = node.graph, new[-1].outputs[0]
    assert graph is not None
    graph.insert_before(node, new)
    bypass(node, last)


def static_int(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute."""
    return node.attributes.get_int(name, default)


def static_ints(node: ir.Node, name: str, default: list[int]) -> list[int]:
    """A list-of-integers attribute."""
    return list(node.attributes.get_ints(name, default))


def is_depthwise(node: ir.Node, weight: int = 1) -> bool:
    """Whether a convolution, its constant weight at input `weight`, computes every channel by itself, to one."""
    array, group = constant(node.inputs[weight]), static_int(node, "group", 1)
    return group > 1 and array is not None and array.shape[:2] == (group, 1)
