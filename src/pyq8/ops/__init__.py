"""What quantization must know of the operators: one table row each, one file a family."""

from pyq8.ops import convolution, elementwise, movement, pooling, stored
from pyq8.ops.rule import NO_KERNEL, RULES, Fixed, Observed, OpRule, SameAs, Stored

__all__ = ["NO_KERNEL", "RULES", "Fixed", "Observed", "OpRule", "SameAs", "Stored", "find_rule"]

_FAMILIES = (convolution, elementwise, movement, pooling, stored)


def find_rule(op_type: str, domain: str) -> OpRule | None:
    """The rule of an operator, or None."""
    return RULES.get(op_type) if domain in ("", "ai.onnx") and op_type in RULES else None
