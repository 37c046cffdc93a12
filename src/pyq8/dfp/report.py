"""Which layer of a module computes in what, and why."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from pyq8.dfp.conversion import check_module
from pyq8.dfp.layers import DfpConv2d, DfpLinear
from pyq8.dfp.operand import ITSELF
from pyq8.dfp.sequential import DfpSequential, Group, grouped


@dataclass(frozen=True)
class Layer:
    """One layer.

    Args:
        name: in the module.
        kind: its class.
        precision: "dfp16" or "fp32".
        reason: why it is fp32; the bits of activation, weight and gradient where it is dfp16.
    """

    name: str
    kind: str
    precision: str
    reason: str


@dataclass(frozen=True)
class Summary:
    """Every layer that has parameters of its own, in the module's order; prints as a table."""

    layers: tuple[Layer, ...]

    def __str__(self) -> str:
        widths = [max((len(getattr(layer, key)) for layer in self.layers), default=0) for key in ("name", "kind")]
        rows = [f"{r.name:{widths[0]}}  {r.kind:{widths[1]}}  {r.precision:5}  {r.reason}" for r in self.layers]
        converted = sum(layer.precision == "dfp16" for layer in self.layers)
        return "\n".join([*rows, f"{converted} of {len(self.layers)} layers in INT16"])


def summary(module: nn.Module) -> Summary:
    """What every layer of a module computes in; convolutions and linear layers that stay FP32 say why.

    Raises:
        UsageError: no torch module.
    """
    check_module("summary", module)
    rows = []
    sequences = [layer for layer in module.modules() if isinstance(layer, DfpSequential)]
    groups = [step for sequence in sequences for step in grouped(sequence) if isinstance(step, Group)]
    together = {id(group.norm): group.conv.dfp.name for group in groups}
    for name, layer in module.named_modules():
        if not any(True for _ in layer.parameters(recurse=False)):
            continue
        converted = isinstance(layer, DfpConv2d | DfpLinear)
        if isinstance(layer, DfpConv2d | DfpLinear):
            bits = layer.dfp.bits
            reason = f"bits {bits.activation}, {bits.weight}, {bits.gradient}"
        elif isinstance(layer, nn.Conv2d | nn.Linear):
            reason = getattr(layer, "dfp_reason", "not converted")
        elif id(layer) in together:
            reason = f"computed together with {together[id(layer)]}"
        else:
            reason = f"{type(layer).__name__} has no INT16 form"
        rows.append(Layer(name or ITSELF, type(layer).__name__, "dfp16" if converted else "fp32", str(reason)))
    return Summary(tuple(rows))
