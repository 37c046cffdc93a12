"""Which regions read the same weights: they have their constants in one blob, so that a weight is stored once.

An unrolled recurrent network multiplies by the same weights in every step, and each step may be a region of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from pyq8.graph_edit import constant
from pyq8.rewrite.region.spec import LARGE


def find_sharing(regions: Sequence[Sequence[ir.Node]]) -> list[int]:
    """Index of a region -> that of the first with which it shares a large constant, directly or through others.

    Args:
        regions: the nodes of each, in QOperator form.
    """
    first = list(range(len(regions)))
    readers: dict[ir.Value, int] = {}
    for number, nodes in enumerate(regions):
        for value in (v for node in nodes for v in node.inputs if v is not None):
            array = constant(value)
            if array is None or array.nbytes < LARGE:
                continue
            low, high = sorted((first[readers.setdefault(value, number)], first[number]))
            if low != high:
                first = [low if group == high else group for group in first]
    return first
