"""The 3 channels of an image become 4, of which the last holds zeros.

    sum_{c < 3} W_c x_c  =  sum_{c < 3} W_c x_c + 0 * 0

With a multiple of 4, the first convolution reaches ONNX Runtime's packed INT8 kernel. The channel is added to the uint8
tensor, before it is laid out channels-last. Measured: see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, only_reader, producer, set_input, static_int, static_ints
from pyq8.ops.placement import place
from pyq8.passes.entry import enter, missing_channels
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each

IMAGE = 3


def run(model: ir.Model) -> PassResult:
    """Pad in place."""
    inside = set(place(model).int8)

    def pad(node: ir.Node) -> bool:
        source = node.inputs[0]
        transpose = producer(source, "Transpose")
        image = transpose.inputs[0] if transpose is not None else source
        weight = constant(node.inputs[1])
        if image is None or not image.is_graph_input() or weight is None or weight.ndim != 4:
            return False
        if weight.shape[1] != IMAGE or static_int(node, "group", 1) != 1:
            return False
        if node not in inside:
            raise Refuse("it stays FP32")
        extra = missing_channels(weight)
        if not extra:
            raise Refuse(f"its {weight.shape[0]} output channels keep it off the packed kernel anyway")
        if source is None or only_reader(source, source is not image) is not node or not only_reader(image, False):
            raise Refuse("something else reads the image too")
        order = (0, 1, 2, 3) if transpose is None else tuple(static_ints(transpose, "perm", [3, 2, 1, 0]))
        graph = node.graph
        assert graph is not None
        wide = np.concatenate([weight, np.zeros((weight.shape[0], extra, *weight.shape[2:]), weight.dtype)], axis=1)
        set_input(node, 1, add_initializer(graph, f"{node.name}_padded_weight", wide))
        set_input(node, 0, enter(graph, image, order, extra, 0.0, node))
        return True

    return for_each(model, "pad_input_channels", {"Conv"}, pad)
