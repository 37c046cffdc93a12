"""A BatchNormalization that could not be folded becomes a depthwise 1x1 Conv, which has an INT8 kernel.

    y_c = f_c * x_c + o_c  is a convolution with weight f [C, 1, 1, 1], bias o and C groups.

Only with channels that are a multiple of 16: others miss the fast depthwise kernel (and 3 channels are an
image's normalization, which must not be rounded).
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, replace_node
from pyq8.passes.fold_batchnorm import affine
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Replace in place."""
    return for_each(model, "batchnorm_to_conv", {"BatchNormalization"}, _replace)


def _replace(node: ir.Node) -> bool:
    source, graph = node.inputs[0], node.graph
    assert source is not None and graph is not None
    rank = len(source.shape) if source.shape is not None else None
    if rank != 4:
        raise Refuse(f"the rank of its input is {rank or 'unknown'}, not 4")
    if source.dtype != ir.DataType.FLOAT:
        raise Refuse("its input is not known to be float32")
    factor, offset = affine(node)
    channels = factor.size
    if channels % 16:
        raise Refuse(f"{channels} channels are no multiple of 16")
    weight = factor.astype(np.float32).reshape(channels, 1, 1, 1)
    conv = ir.node(
        "Conv",
        [
            source,
            add_initializer(graph, f"{node.name}_factor", weight),
            add_initializer(graph, f"{node.name}_offset", offset.astype(np.float32)),
        ],
        {"group": channels, "kernel_shape": [1, 1]},
        name=node.name,
    )
    replace_node(node, [conv])
    return True
