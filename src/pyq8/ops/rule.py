"""What quantization must know of an operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyq8.registry import Registry

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Observed:
    """The output's range comes from calibration."""


@dataclass(frozen=True)
class SameAs:
    """The output holds the values of this input, so it has its scale and zero point."""

    input: int = 0


@dataclass(frozen=True)
class Fixed:
    """The output lies in a known range; it has that, or what calibration saw of it where that is clearly better."""

    low: float
    high: float


@dataclass(frozen=True)
class Stored:
    """The tensor is integers already: the node itself holds their scale and zero point."""


def no_objection(_: ir.Node) -> str | None:
    """The check of an operator that is always supported."""
    return None


def first_axis(_: ir.Node) -> int:
    """The channel axis of a weight [out, in, ...]."""
    return 0


@dataclass(frozen=True)
class OpRule:
    """One operator.

    Args:
        op_type: ONNX name, default domain.
        kernel: the INT8 operator that ONNX Runtime runs for it, (domain, name); for `SameAs` operators their
            own name, as they work on uint8 tensors directly.
        output: where the output's parameters come from.
        inputs: which inputs are activations; None means all.
        weight: index of the constant weight, for operators that multiply and accumulate.
        bias: index of the bias.
        weight_axis: the weight's output-channel axis.
        float_output: the kernel can also write float32, which is better where nothing INT8 reads it.
        absorbs: saturation of the output can compute a Relu or Clip behind it.
        check: why this node must stay FP32, or None.
    """

    op_type: str
    kernel: tuple[str, str]
    output: Observed | SameAs | Fixed | Stored = Observed()
    inputs: tuple[int, ...] | None = (0,)
    weight: int | None = None
    bias: int | None = None
    weight_axis: Callable[[ir.Node], int] = first_axis
    float_output: bool = False
    absorbs: bool = True
    check: Callable[[ir.Node], str | None] = no_objection

    def activations(self, node: ir.Node) -> list[tuple[int, ir.Value]]:
        """(index, value) of the inputs that are activations; optional ones left out are skipped."""
        indices = range(len(node.inputs)) if self.inputs is None else self.inputs
        found = [(i, node.inputs[i]) for i in indices if i < len(node.inputs)]
        return [(i, v) for i, v in found if v is not None]


RULES: Registry[OpRule] = Registry("operator")
NO_KERNEL: dict[str, str] = {}
"""Operators that a CNN contains and that have no INT8 kernel: why."""


def rule(spec: OpRule) -> OpRule:
    """File a rule under its operator."""
    return RULES.register(spec.op_type)(spec)
