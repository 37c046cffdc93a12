"""What convolutions hand to the FP32 decoding of a head: scores and offsets, of which few say something.

Of a detector's thousands of positions a handful holds an object, on few of the calibration images. So what they show is
no outlier, and what they do not show may come.
"""

from __future__ import annotations

from collections.abc import Container

import onnx_ir as ir

from pyq8.ops import find_rule
from pyq8.ops.placement import Placement

SURE = 4.0
"""Logit of a score of 0.98: images without an object show none above 0, and larger scores would be cut to one half."""
DECIDING = ("Sigmoid", "Softmax", "LogSoftmax", "HardSigmoid", "Exp", "ArgMax", "TopK", "NonMaxSuppression", "Greater")
"""What decides by values, or makes boxes of them."""
CARRYING = ("Concat", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Gather")
"""What hands values on as they are."""


def head_tensors(placement: Placement) -> tuple[set[ir.Value], set[ir.Value]]:
    """Results of convolutions that no INT8 node computes on.

    Returns:
        Those of which a Sigmoid makes scores, and all by which something is decided: a range holds all that was seen.
    """
    scores: set[ir.Value] = set()
    decided: set[ir.Value] = set()
    inside = set(placement.int8)
    for node in placement.int8:
        rule = find_rule(node)
        value = placement.output(node)
        if rule is None or rule.weight is None or not _is_handed_on(value, placement, inside):
            continue
        if any(user.op_type == "Sigmoid" for user in _behind(value, CARRYING)):
            scores.add(value)
        if any(user.op_type in DECIDING for user in _behind(value)):
            decided.add(value)
    return scores, decided


def _is_handed_on(value: ir.Value, placement: Placement, inside: Container[ir.Node]) -> bool:
    """Whether INT8 nodes and tables do nothing with it but to move it to FP32 nodes."""
    waiting, seen = [value], set[ir.Node]()
    while waiting:
        for user, _ in waiting.pop().uses():
            if placement.is_table(user) or (user in inside and user.op_type not in CARRYING):
                return False
            if user in inside and user not in seen:
                waiting += user.outputs
            seen.add(user)
    return True


def _behind(value: ir.Value, through: Container[str] | None = None) -> set[ir.Node]:
    """The nodes that `value` reaches, by way of such ones."""
    waiting, seen = [value], set[ir.Node]()
    while waiting:
        for user, _ in waiting.pop().uses():
            if user not in seen and (through is None or user.op_type in through):
                waiting += user.outputs
            seen.add(user)
    return seen
