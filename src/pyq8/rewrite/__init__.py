"""Carry out a plan. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from pyq8 import affine, kernels
from pyq8.errors import UsageError
from pyq8.graph_edit import OUTSIDE, bypass, constant, set_input
from pyq8.ops import OpRule, SameAs, Stored, find_rule
from pyq8.ops.placement import EXCLUDED
from pyq8.registry import Registry
from pyq8.rewrite import qdq, qoperator
from pyq8.rewrite.layout import keep_layout
from pyq8.rewrite.region import fuse
from pyq8.rewrite.tensors import Tensors
from pyq8.types import REGIONS, Plan

Emit = Callable[[ir.Node, OpRule, Tensors], None]

__all__ = ["FORMATS", "REGIONS", "check_format", "rewrite", "twin"]

NOT_INTEGER = {"Gemm": "beta", "AveragePool": "dilations"}
"""Attributes that the integer operators do not have, not even at the default, which is all that the rules admit."""

FORMATS: Registry[Emit] = Registry("format")
FORMATS.register("qdq")(qdq.emit)
FORMATS.register("qoperator")(qoperator.emit)
FORMATS.register(REGIONS)(qoperator.emit)


def check_format(name: str) -> None:
    """Whether this installation can write and run a format.

    Raises:
        UsageError: no such format, or it needs kernels that are not here.
    """
    FORMATS.get(name)
    if name == REGIONS and (why := kernels.reason()):
        raise UsageError(f"format {name}: {why}")


def rewrite(model: ir.Model, plan: Plan, format: str = "qdq") -> ir.Model:
    """The quantized model.

    Args:
        model: the prepared model that the plan was made for; not changed.
        plan: what to do.
        format: "qdq", "qoperator" or "pyq8".

    Raises:
        UsageError: no such format.
    """
    from pyq8.rewrite.shield import shield, shield_regions

    emit = FORMATS.get(format)
    model = model.clone()
    graph = model.graph
    _absorb(graph, plan)
    tensors = Tensors(graph, plan)
    inside = set(plan.int8_nodes)
    for node in [n for n in graph if n.name in inside]:
        rule = find_rule(node)
        assert rule is not None
        node.attributes.pop(NOT_INTEGER.get(node.op_type, ""), None)
        if isinstance(rule.output, SameAs):
            _move(node, rule, tensors)
        elif isinstance(rule.output, Stored):
            tensors.stored(node)
        else:
            emit(node, rule, tensors)
    shield(tensors, inside)
    keep_layout(tensors)
    if any(node.domain == "com.microsoft" for node in graph):
        graph.opset_imports["com.microsoft"] = 1
    common.RemoveUnusedNodesPass()(model)
    if format == REGIONS:
        left = fuse(model, [name for name, reason in plan.float_nodes.items() if reason.startswith(EXCLUDED)])
        shield_regions(tensors)
        for node in (n for n in graph if n.name in left):
            node.metadata_props[OUTSIDE] = left[node.name or ""]
    return model


def twin(model: ir.Model, plan: Plan, format: str) -> ir.Model | None:
    """The QOperator model that computes the same numbers as one with regions, all tensors within reach; else None."""
    return rewrite(model, plan, "qoperator") if format == REGIONS else None


def _absorb(graph: ir.Graph, plan: Plan) -> None:
    """Remove every Relu and Clip that an INT8 node's saturation computes."""
    for node in [n for n in graph if n.name in plan.absorbed]:
        source = node.inputs[0]
        assert source is not None
        bypass(node, source)


def _move(node: ir.Node, rule: OpRule, tensors: Tensors) -> None:
    """An operator that moves values works on the uint8 tensor as it is, in either format."""
    ((index, source),) = rule.activations(node)
    qparams = tensors.qparams(source)
    assert qparams is not None
    set_input(node, index, tensors.quantized(source))
    if node.op_type == "Pad" and node.attributes.get_string("mode", "constant") == "constant":
        array = constant(node.inputs[2]) if len(node.inputs) > 2 else None
        value = affine.quantize(np.zeros((), np.float32) if array is None else array.reshape(()), qparams)
        set_input(node, 2, tensors.initializer(f"{node.name}_value", value))
    for output in [v for v in node.outputs if tensors.qparams(v) is not None]:
        name = tensors.fresh(f"{output.name}_quantized")
        output.type = ir.TensorType(ir.DataType.UINT8)
        tensors.produced(output, output, node)
        output.name = name
