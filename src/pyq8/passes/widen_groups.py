"""A grouped Conv between convolutions becomes one of fewer, wider groups: zeros stand where there was no weight.

    y_g = W_g x_g  for every group g     =     [y_1; y_2] = [[W_1, 0], [0, W_2]] [x_1; x_2]  for every pair of them

ONNX Runtime computes an INT8 Conv group by group, each as a matrix product, and few channels leave most of the
arithmetic idle: m merged groups are m times the products and still take less time. The time for every m is estimated
from the measured rates below; see docs/explanation/speed.md.
"""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, constant, set_input, static_int
from pyq8.ops.placement import place
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array

RATES = {1: 0.3, 2: 1.0, 4: 3.5, 8: 16.0, 16: 55.0, 32: 140.0, 64: 255.0, 128: 300.0}
"""Channels a group (geometric mean of input and output) -> 10^9 products a second, 3x3 INT8 on 2 cores with VNNI."""
DENSE, PACKED = 250.0, 370.0
"""The same for one group: as a matrix product, and on the packed kernel."""
GAIN = 1.2
"""How much shorter the estimated time must be: it is rough."""
LARGEST = 2 * 2**20
"""Bytes of INT8 weight for which the rates were seen to hold; a larger one is read from memory for every image."""


def run(model: ir.Model) -> PassResult:
    """Widen in place, only convolutions that would run in INT8: in FP32 the zeros only cost time."""
    inside = set(place(model).int8)

    def widen(node: ir.Node) -> bool:
        group, weight = static_int(node, "group", 1), constant(node.inputs[1])
        if group == 1 or weight is None or weight.shape[0] % group or weight.shape[:2] == (group, 1):
            return False
        if node not in inside:
            raise Refuse("it would stay FP32")
        merged = _fastest(group, weight.shape)
        graph = node.graph
        assert graph is not None
        wide = add_initializer(graph, f"{node.name}_widened_weight", _block_diagonal(weight, group, merged))
        set_input(node, 1, wide)
        node.attributes["group"] = ir.AttrInt64("group", group // merged)
        return True

    return for_each(model, "widen_groups", {"Conv"}, widen)


def _fastest(group: int, shape: tuple[int, ...]) -> int:
    """How many groups to merge into one; `shape` is the weight's, [OC, IC / group, ...].

    Raises:
        Refuse: nothing is clearly faster than `group` groups.
    """
    fits = [m for m in range(1, group + 1) if group % m == 0 and (m == 1 or m * prod(shape) <= LARGEST)]
    times = {m: m / _rate(group // m, m * shape[1], m * shape[0] // group) for m in fits}
    merged = min(times, key=times.__getitem__)
    if times[1] < GAIN * times[merged]:
        raise Refuse(f"fewer than {group} groups would not be faster, or have a weight over {LARGEST >> 20} MiB")
    return merged


def _rate(group: int, inputs: int, outputs: int) -> float:
    """Estimated 10^9 products a second of a Conv with so many channels a group."""
    if group == 1:
        return PACKED if outputs >= 16 and inputs % 4 == 0 and outputs % 4 == 0 else DENSE
    return float(np.exp(np.interp(np.log(sqrt(inputs * outputs)), np.log(list(RATES)), np.log(list(RATES.values())))))


def _block_diagonal(weight: Array, group: int, merged: int) -> Array:
    """[OC, I, ...] -> [OC, merged * I, ...]."""
    outputs, inputs, *kernel = weight.shape
    blocks = weight.reshape(group // merged, merged, outputs // group, inputs, *kernel)
    wide = np.zeros((group // merged, merged, outputs // group, merged, inputs, *kernel), weight.dtype)
    for i in range(merged):
        wide[:, i, :, i] = blocks[:, i]
    return wide.reshape(outputs, merged * inputs, *kernel)
