"""What quantization must know of the operators: one table row each, one file a family."""

from pyq8.ops import convolution, elementwise, movement, pooling
from pyq8.ops.movement import READS_SHAPE
from pyq8.ops.rule import NO_KERNEL, RULES, Fixed, Observed, OpRule, SameAs

__all__ = ["NO_KERNEL", "READS_SHAPE", "RULES", "Fixed", "Observed", "OpRule", "SameAs", "find_rule"]

_FAMILIES = (convolution, elementwise, movement, pooling)


def find_rule(op_type: str, domain: str) -> OpRule | None:
    """The rule of an operator, or None."""
    return RULES.get(op_type) if domain in ("", "ai.onnx") and op_type in RULES else None
