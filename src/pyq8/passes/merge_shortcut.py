"""The sum of two 1x1 convolutions becomes one, on both inputs side by side: a ResNet block with a shortcut Conv.

    W x + b  +  V y + c  =  [W | V] [x; y] + (b + c)

ONNX Runtime adds in an operator of its own, which reads and writes the wide tensors once more. Measured on ResNet-50:
see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, only_reader, producer, replace_node, static_ints
from pyq8.passes import linear
from pyq8.passes.move_stride import ELEMENTWISE
from pyq8.passes.pointwise import pointwise_weight
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Merge in place."""
    return for_each(model, "merge_shortcut", {"Add"}, _merge)


def _merge(add: ir.Node) -> bool:
    convs = [conv for value in add.inputs if (conv := producer(value, "Conv")) is not None]
    if len(convs) != 2:
        return False
    for conv in convs:
        if only_reader(conv.outputs[0]) is not add:
            raise Refuse(f"others read the output of {conv.name!r} too")
        pointwise_weight(conv)
    main, other = convs
    if _grid(main.inputs[0]) is not _grid(other.inputs[0]):
        raise Refuse(f"{main.name!r} and {other.name!r} are not known to read images of one size")
    (weight, bias), (other_weight, other_bias) = map(linear.parameters, convs)
    if len(weight) != len(other_weight):
        raise Refuse("it broadcasts channels")
    merged = np.concatenate([weight, other_weight], axis=1)
    channels, inputs = merged.shape[:2]
    if inputs % 4:
        raise Refuse(f"together they read {inputs} channels, no multiple of 4")
    if inputs >= 2 * channels:  # a Concat moves 2 inputs; without the Add, 4 channels less are moved
        raise Refuse(f"putting {inputs} channels side by side costs more than adding {channels}")
    graph, output = add.graph, add.outputs[0]
    assert graph is not None
    joined = ir.node("Concat", [conv.inputs[0] for conv in convs], {"axis": 1}, name=f"{add.name}_concat")
    (value,) = joined.outputs
    value.name, value.type = f"{output.name}_joined", output.type
    parameters = [add_initializer(graph, f"{add.name}_{k}", v) for k, v in
                  (("weight", merged), ("bias", (bias + other_bias).astype(np.float32)))]  # fmt: skip
    replace_node(add, [joined, ir.node("Conv", [value, *parameters], name=add.name)])
    graph.remove(convs, safe=True)
    return True


def _grid(value: ir.Value | None) -> ir.Value | None:
    """The earliest tensor with as many images and pixels as `value`, through what keeps them; sizes may be unknown."""
    while (node := producer(value, "Conv", *ELEMENTWISE)) is not None and (node.op_type != "Conv" or _keeps_size(node)):
        value = node.inputs[0]
    return value


def _keeps_size(conv: ir.Node) -> bool:
    weight = constant(conv.inputs[1])
    if weight is None or any(s != 1 for s in static_ints(conv, "strides", [])):
        return False
    axes = weight.ndim - 2
    pads, dilations = static_ints(conv, "pads", [0] * (2 * axes)), static_ints(conv, "dilations", [1] * axes)
    return all(pads[i] + pads[i + axes] == dilations[i] * (weight.shape[i + 2] - 1) for i in range(axes))
