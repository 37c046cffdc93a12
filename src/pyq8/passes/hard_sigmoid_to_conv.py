"""HardSigmoid and HardSwish between convolutions become a depthwise 1x1 Conv, whose saturation is the clip.

    HardSigmoid(x) = clip(alpha x + beta, 0, 1)      Conv with weight alpha and bias beta [C, 1, 1, 1], then Clip
    HardSwish(x)   = x * HardSigmoid(x)              with alpha = 1/6, beta = 1/2; then Mul

ONNX Runtime has no INT8 kernel for either: each one in a MobileNet-v3 would dequantize its feature map and quantize it
again. Measured: see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, replace_node
from pyq8.ops import NO_KERNEL
from pyq8.ops.placement import place
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Replace in place, only what lies between convolutions."""
    reasons = place(model).float_nodes

    def replace(node: ir.Node) -> bool:
        if reasons.get(node.name or "") != NO_KERNEL[node.op_type]:
            raise Refuse("it is not between convolutions")
        return _replace(node)

    return for_each(model, "hard_sigmoid_to_conv", {"HardSigmoid", "HardSwish"}, replace)


def _replace(node: ir.Node) -> bool:
    source, output, graph = node.inputs[0], node.outputs[0], node.graph
    assert source is not None and graph is not None
    channels = source.shape[1] if source.shape is not None and len(source.shape) == 4 else None
    if not isinstance(channels, int):
        raise Refuse("its input is not known to be [N, C, H, W] with a fixed C")
    if output.dtype not in (None, ir.DataType.FLOAT):
        raise Refuse("it does not compute float32")
    swish = node.op_type == "HardSwish"
    own = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    alpha, beta = (1 / 6, 0.5) if swish else own
    name = f"{node.name}_sigmoid" if swish else str(node.name)
    weight = add_initializer(graph, f"{name}_alpha", np.full((channels, 1, 1, 1), alpha, np.float32))
    bias = add_initializer(graph, f"{name}_beta", np.full(channels, beta, np.float32))
    conv = ir.node("Conv", [source, weight, bias], {"group": channels, "kernel_shape": [1, 1]}, name=f"{name}_linear")
    ends = [add_initializer(graph, f"{name}_{k}", np.float32(v)) for k, v in (("low", 0), ("high", 1))]
    clip = ir.node("Clip", [conv.outputs[0], *ends], name=name)
    nodes = [conv, clip]
    if swish:
        nodes.append(ir.node("Mul", [source, clip.outputs[0]], name=node.name))
    for new, label in zip(nodes[:-1], ("linear", "clip"), strict=False):
        (value,) = new.outputs
        value.name, value.type, value.shape = f"{output.name}_{label}", output.type, output.shape
    replace_node(node, nodes)
    return True
