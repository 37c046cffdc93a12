"""Find a file's nodes again in what ONNX Runtime executes.

The layout pass for uint8 appends `_token_N` to a node's name; the blocked FP32 layout names a node after the last
value that it computes. A node that is not there was fused into another, or folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import onnx_ir as ir

EPILOGUE = frozenset("BatchNormalization Mul Relu Clip LeakyRelu Sigmoid Tanh HardSigmoid HardSwish Add Sum".split())
"""What ONNX Runtime fuses into the FP32 convolution before it."""


class Executed(Protocol):
    """An executed node."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def op_type(self) -> str:
        """Its operator."""


E = TypeVar("E", bound=Executed)


def with_names(model: ir.Model) -> ir.Model:
    """The model, or where nodes have no name or another's a copy in which each has its own."""
    from onnx_ir.passes import common

    if len({node.name for node in model.graph if node.name}) == len(model.graph):
        return model
    model = model.clone()
    common.NameFixPass()(model)
    return model


def find_executed(nodes: Iterable[ir.Node], executed: Iterable[E]) -> dict[str, E]:
    """Name of a node in the file -> the executed node that computes it, for those that are found."""
    executed = tuple(executed)
    by_name = {re.sub(r"_token_\d+$", "", node.name): node for node in executed}
    by_name |= {node.name: node for node in executed}
    pairs = ((node.name or "", by_name.get(node.name or "") or _blocked(node, by_name)) for node in nodes)
    return {name: runs for name, runs in pairs if runs is not None}


def _blocked(node: ir.Node, by_name: dict[str, E]) -> E | None:
    """What runs an FP32 node in the blocked NCHWc layout."""
    value = node.outputs[0]
    for _ in range(4):
        runs = by_name.get(f"{value.name}_nchwc")
        if runs is not None:
            return runs if runs.op_type == node.op_type else None
        readers = [use.node for use in value.uses()]
        if node.op_type != "Conv" or len(readers) != 1 or readers[0].op_type not in EPILOGUE:
            return None
        value = readers[0].outputs[0]
    return None
