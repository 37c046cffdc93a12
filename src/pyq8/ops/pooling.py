"""Pooling, and what else summarizes a feature map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyq8.ops.rule import NO_KERNEL, OpRule, SameAs, rule

if TYPE_CHECKING:
    import onnx_ir as ir

MS = "com.microsoft"


def _max_pool(node: ir.Node) -> str | None:
    if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
        return "its indices are read"
    return None


def _average_pool(node: ir.Node) -> str | None:
    if any(d != 1 for d in node.attributes.get_ints("dilations", ())):
        return "it is dilated, and ONNX Runtime's INT8 AveragePool is not"
    if node.attributes.get_int("ceil_mode", 0) and node.attributes.get_int("count_include_pad", 0):
        return "ONNX Runtime's INT8 AveragePool counts pixels beyond the padding (ceil_mode, count_include_pad)"
    return None


rule(OpRule("MaxPool", ("", "MaxPool"), output=SameAs(), check=_max_pool))
rule(OpRule("AveragePool", (MS, "QLinearAveragePool"), check=_average_pool))
rule(OpRule("GlobalAveragePool", (MS, "QLinearGlobalAveragePool")))

NO_KERNEL["ReduceMean"] = "only a mean over height and width has an INT8 kernel"
NO_KERNEL["BatchNormalization"] = "it could not be folded, and ONNX Runtime has no INT8 BatchNormalization"
