"""What quantization must know of the operators: one table row each, one file a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyq8.ops import convolution, elementwise, movement, pooling, stored
from pyq8.ops.rule import NO_KERNEL, RULES, Fixed, Observed, OpRule, SameAs, Stored

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["NO_KERNEL", "RULES", "Fixed", "Observed", "OpRule", "SameAs", "Stored", "find_rule"]

_FAMILIES = (convolution, elementwise, movement, pooling, stored)


def find_rule(node: ir.Node | None) -> OpRule | None:
    """The rule of a node's operator, or None."""
    if node is None or node.domain not in ("", "ai.onnx") or node.op_type not in RULES:
        return None
    return RULES.get(node.op_type)
