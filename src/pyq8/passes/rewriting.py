"""The form of a pass that looks at one node at a time."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from pyq8.passes.result import PassResult


class Refuse(Exception):  # noqa: N818  # a decision with a reason, not an error
    """Raised by a rewrite that leaves a candidate alone; its text is the reason."""


def for_each(
    model: ir.Model, name: str, op_types: set[str], rewrite: Callable[[ir.Node], bool], domain: str = ""
) -> PassResult:
    """Offer every node of `op_types` in the main graph to `rewrite`.

    Args:
        model: changed in place.
        name: of the pass.
        op_types: candidates.
        rewrite: returns whether it changed the graph; raises `Refuse` to say why it did not.
        domain: of the candidates; ONNX's own by default.
    """
    changed: list[str] = []
    refused: dict[str, str] = {}
    for node in list(model.graph):
        if node.op_type not in op_types or node.domain.removeprefix("ai.onnx") != domain:
            continue
        label = node.name or node.op_type
        try:
            if rewrite(node):
                changed.append(label)
        except Refuse as reason:
            refused[label] = str(reason)
    return PassResult(name, tuple(changed), refused)
