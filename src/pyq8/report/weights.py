"""How far the weights of every channel reach, and what one scale for all of them would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyq8.graph_edit import constant
from pyq8.ops import find_rule
from pyq8.ranking.weight_use import DEAD
from pyq8.types import Plan

if TYPE_CHECKING:
    import onnx_ir as ir

BARS = 64
"""Channels of a picture; more are joined, neighbour with neighbour."""


@dataclass(frozen=True)
class WeightRange:
    """The weights of one node.

    Args:
        node: its name.
        op_type: its operator.
        channels: output channels.
        spans: (smallest, largest) weight of every channel, or of neighbours joined.
        reach: largest magnitude of the tensor.
        weakest: largest magnitude of the channel with the smallest one that is not dead, as a share of `reach`.
        levels: integers that this channel would span on one side if one scale served all channels.
        per_channel: whether every channel has its own scale.
    """

    node: str
    op_type: str
    channels: int
    spans: tuple[tuple[float, float], ...]
    reach: float
    weakest: float
    levels: float
    per_channel: bool


def find_weights(prepared: ir.Model, plan: Plan) -> tuple[WeightRange, ...]:
    """Every node with quantized weights, in graph order."""
    found = []
    for node in prepared.graph:
        rule = find_rule(node)
        value = node.inputs[rule.weight] if rule is not None and rule.weight is not None else None
        array = constant(value)
        name = value.name or "" if value is not None else ""
        if rule is None or array is None or name not in plan.qparams:
            continue
        rows = np.moveaxis(array, rule.weight_axis(node), 0).reshape(array.shape[rule.weight_axis(node)], -1)
        peaks = np.abs(rows).max(axis=1)
        reach = float(peaks.max())
        alive = peaks[peaks >= DEAD * reach] if reach > 0 else peaks
        joined = np.array_split(np.arange(len(rows)), min(BARS, len(rows)))
        qparams = plan.qparams[name]
        weakest = float(alive.min() / reach) if reach > 0 else 1.0
        found.append(
            WeightRange(
                node.name or "",
                node.op_type,
                len(rows),
                tuple((float(rows[part].min()), float(rows[part].max())) for part in joined),
                reach,
                weakest,
                weakest * qparams.qtype.qmax,
                qparams.axis is not None,
            )
        )
    return tuple(found)
