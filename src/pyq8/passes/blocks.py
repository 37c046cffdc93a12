"""What computes blocks of s x s pixels: a Conv with s^2 times the channels, and DepthToSpace, which lays them out.

Channel (r * s + c) * K + k of the Conv is channel k of pixel (r, c) of a block (DepthToSpace of mode DCR).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, bypass, only_reader, replace_node
from pyq8.ops.placement import clip_range
from pyq8.types import Array

END = np.iinfo(np.int64).max


def replace_by_blocks(
    node: ir.Node,
    weight: Array,
    bias: Array | None,
    pads: Sequence[int],
    group: int,
    size: int,
    edge: Sequence[int] = (0, 0, 0, 0),
    crop: Sequence[int] = (0, 0, 0, 0),
) -> None:
    """Put a Conv and DepthToSpace in the place of a node; a Relu or Clip behind it moves between the two.

    Args:
        node: of one activation, its first input, and one result.
        weight: shape (s^2 K, C / group, R, S).
        bias: shape (s^2 K,), or None.
        pads: zeros around the input: top, left, bottom, right.
        group: of the Conv for one pixel of a block; with more than one it reads its input s^2 times, side by side.
        size: of a block, s.
        edge: pixels by which the edge of the input is repeated first.
        crop: pixels that are cut off the blocks.
    """
    graph, name, source, output = node.graph, str(node.name), node.inputs[0], node.outputs[0]
    assert graph is not None and source is not None
    nodes: list[ir.Node] = []

    def then(
        label: str, op_type: str, *inputs: ir.Value | Array | None, **attributes: int | str | Sequence[int]
    ) -> None:
        before = nodes[-1].outputs[0] if nodes else source
        values = [
            add_initializer(graph, f"{label}_{i}", v) if isinstance(v, np.ndarray) else v for i, v in enumerate(inputs)
        ]
        nodes.append(ir.node(op_type, [before, *values], attributes, name=label))
        nodes[-1].outputs[0].name, nodes[-1].outputs[0].type = f"{label}_output", output.type

    if any(edge):
        top, left, bottom, right = edge
        then(f"{name}_edge", "Pad", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), mode="edge")
    if group > 1 and size > 1:
        copies = [nodes[-1].outputs[0] if nodes else source] * (size * size - 1)
        then(f"{name}_copies", "Concat", *copies, axis=1)
    parameters = [weight.astype(np.float32)] if bias is None else [weight.astype(np.float32), bias.astype(np.float32)]
    groups = group * size * size if group > 1 else 1
    then(name, "Conv", *parameters, kernel_shape=weight.shape[2:], pads=pads, group=groups)
    behind = only_reader(output) if size > 1 else None
    if behind is not None and (behind.domain or behind.op_type not in ("Relu", "Clip") or clip_range(behind) is None):
        behind = None
    if behind is not None:
        then(str(behind.name), behind.op_type, *behind.inputs[1:])
    if size > 1:
        then(f"{name}_blocks", "DepthToSpace", blocksize=size)
    if any(crop):
        last = [-count or END for count in crop[2:]]
        then(f"{name}_cut", "Slice", *(np.array(v, np.int64) for v in (crop[:2], last, [2, 3])))
    replace_node(node, nodes)
    if behind is not None:
        bypass(behind, nodes[-1].outputs[0])
