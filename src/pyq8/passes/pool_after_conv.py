"""An average over pixels and the 1x1 Conv behind it change places where the Conv has fewer channels.

    W avg(x) + b  =  avg(W x) + b        padding counted: b becomes the bias of the average
                  =  avg(W x + b)        padding not counted: the average of a constant is the constant

The average is the depthwise Conv that `average_pool_to_conv` writes, with its map of the edges where there is one: its
time goes with its channels. Measured on Inception-v3: see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, only_reader, replace_node, set_input, static_int, static_ints
from pyq8.passes.average_pool_to_conv import edge_map
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array


def run(model: ir.Model) -> PassResult:
    """Swap in place."""
    return for_each(model, "pool_after_conv", {"Conv"}, _swap)


def _swap(pool: ir.Node) -> bool:
    window, graph = _window(pool), pool.graph
    if window is None:
        return False
    edges = _edges(pool, window)
    old = [pool] if edges is None else [edges, pool]
    pooled = old[0].outputs[0]
    conv = only_reader(pooled)
    if conv is None or conv.op_type != "Conv" or conv.domain or conv.inputs[0] is not pooled:
        raise Refuse("what reads it is not one Conv alone")
    channels, inputs = _pointwise_weight(conv).shape[:2]
    if any(s != 1 for s in static_ints(pool, "strides", [])):
        raise Refuse(f"it skips pixels, and {conv.name!r} would compute them")
    if channels >= inputs:
        raise Refuse(f"{conv.name!r} behind it makes {channels} channels of {inputs}, not fewer")
    if channels % 16:
        raise Refuse(f"{conv.name!r} behind it has {channels} channels, no multiple of 16")
    assert graph is not None
    weight = add_initializer(graph, f"{pool.name}_weight", np.broadcast_to(window, (channels, *window.shape[1:])))
    first = ir.node("Conv", [pool.inputs[0], conv.inputs[1]], conv.attributes, name=conv.name)
    second = ir.node("Conv", [first.outputs[0], weight], {**pool.attributes, "group": channels}, name=pool.name)
    if len(conv.inputs) > 2:
        set_input(second if edges is None else first, 2, conv.inputs[2])
    new = [first, second]
    if edges is not None:
        new.append(ir.node("Mul", [second.outputs[0], edges.inputs[1]], name=edges.name))
    output = conv.outputs[0]
    for node, label in zip(new[:-1], ("narrow", "padded"), strict=False):
        (value,) = node.outputs
        value.name, value.type, value.shape = f"{output.name}_{label}", output.type, output.shape
    replace_node(conv, new)
    graph.remove(old, safe=True)
    return True


def _window(node: ir.Node) -> Array | None:
    """The weight of one channel, float32 [1, 1, height, width], of a Conv that averages each channel; else None."""
    weight = constant(node.inputs[1])
    if weight is None or weight.ndim != 4 or weight.shape[:2] != (static_int(node, "group", 1), 1):
        return None
    size = np.prod(weight.shape[2:])
    plain = len(node.inputs) == 2 and node.attributes.keys() <= {"group", "kernel_shape", "strides", "pads"}
    return weight[:1] if plain and size > 1 and (weight == np.float32(1 / size)).all() else None


def _edges(pool: ir.Node, window: Array) -> ir.Node | None:
    """The Mul that makes an average of one that counts its padding, if the pool has one."""
    mul, source = only_reader(pool.outputs[0]), pool.inputs[0]
    if mul is None or mul.op_type != "Mul" or source is None:
        return None
    strides, pads = static_ints(pool, "strides", [1, 1]), static_ints(pool, "pads", [0] * 4)
    factor = constant(mul.inputs[1])
    edges = edge_map(source, list(window.shape[2:]), strides, pads)
    return mul if factor is not None and np.array_equal(factor, edges) else None


def _pointwise_weight(conv: ir.Node) -> Array:
    """The weight of a 1x1 Conv, [C, K, 1, 1].

    Raises:
        Refuse: it is not constant, or the Conv is larger than 1x1, grouped, strided or padded.
    """
    weight = constant(conv.inputs[1])
    if weight is None:
        raise Refuse(f"the weight of {conv.name!r} is not a constant")
    if any(k != 1 for k in weight.shape[2:]) or static_int(conv, "group", 1) != 1:
        raise Refuse(f"{conv.name!r} is not 1x1 and of one group")
    if any(s != 1 for s in static_ints(conv, "strides", [])):
        raise Refuse(f"{conv.name!r} skips pixels")
    if any(static_ints(conv, "pads", [])):
        raise Refuse(f"{conv.name!r} pads")
    return weight
