"""AveragePool between convolutions becomes a depthwise Conv with constant weights.

    avg(x)_p = 1/k * sum_{i in window} x_i         Conv with weight 1/k, where padding is counted or there is none

ONNX Runtime's INT8 AveragePool is a scalar kernel, its depthwise convolution a vector kernel; a weight that is the
same everywhere is exact in INT8. Where zero padding is not counted, the window at p holds n_p <= k pixels of the image,
and a constant map corrects the edges:

    avg(x)_p = k / n_p * (1/k * sum_{i in window} x_i)        Conv, then Mul by the map k / n_p, [1, 1, H, W]

Measured on Inception-v3 (2 cores, AVX512-VNNI): see docs/explanation/speed.md.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, replace_node, static_int, static_ints
from pyq8.ops.placement import place
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Replace in place, only pools that would run in INT8."""
    inside = set(place(model).int8)

    def replace(node: ir.Node) -> bool:
        if node not in inside:
            raise Refuse("it would stay FP32")
        return _replace(node)

    return for_each(model, "average_pool_to_conv", {"AveragePool"}, replace)


def _replace(node: ir.Node) -> bool:
    source, output, graph = node.inputs[0], node.outputs[0], node.graph
    assert source is not None and graph is not None
    channels = source.shape[1] if source.shape is not None and len(source.shape) == 4 else None
    if not isinstance(channels, int):
        raise Refuse("the number of its channels is not known")
    if channels % 16:
        raise Refuse(f"{channels} channels are no multiple of 16")
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Refuse("it pads automatically")
    kernel = static_ints(node, "kernel_shape", [])
    strides = static_ints(node, "strides", [1, 1])
    pads = static_ints(node, "pads", [0] * 4)
    if static_int(node, "ceil_mode", 0):
        raise Refuse("it rounds its size up")
    counted = not any(pads) or static_int(node, "count_include_pad", 0)
    edges = None if counted else edge_map(source, kernel, strides, pads)
    size = int(np.prod(kernel))
    weight = np.full((channels, 1, *kernel), 1 / size, np.float32)
    conv = ir.node(
        "Conv",
        [source, add_initializer(graph, f"{node.name}_weight", weight)],
        {"group": channels, "kernel_shape": kernel, "strides": strides, "pads": pads},
        name=node.name,
    )
    nodes = [conv]
    if edges is not None:
        summed = conv.outputs[0]
        summed.name, summed.type, summed.shape = f"{output.name}_padded", output.type, output.shape
        factor = add_initializer(graph, f"{node.name}_edges", edges)
        nodes.append(ir.node("Mul", [summed, factor], name=f"{node.name}_edges"))
    replace_node(node, nodes)
    return True


def edge_map(source: ir.Value, kernel: list[int], strides: list[int], pads: list[int]) -> npt.NDArray[np.float32]:
    """k / n_p for every output pixel, float32 [1, 1, H, W].

    Raises:
        Refuse: the image size is not known.
    """
    counts = []
    for axis in (0, 1):
        length = source.shape[axis + 2] if source.shape is not None else None
        if not isinstance(length, int):
            raise Refuse("it does not count its padding, and the size of its input is not fixed")
        before, after = pads[axis], pads[axis + 2]
        starts = np.arange(0, length + before + after - kernel[axis] + 1, strides[axis]) - before
        counts.append(np.minimum(starts + kernel[axis], length) - np.maximum(starts, 0))
    inside = np.outer(counts[0], counts[1])
    return (np.prod(kernel) / inside).astype(np.float32)[None, None]
