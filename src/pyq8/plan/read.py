"""The plan that a quantized model carries: its scales and zero points, read back from its graph."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.errors import PlanError
from pyq8.graph_edit import constant, static_int
from pyq8.model.file import sha256
from pyq8.model.pixel_input import same_input
from pyq8.model.provenance import remembered_factors, remembered_reasons
from pyq8.passes import PassResult, prepare
from pyq8.saturation import node_adds_pairs
from pyq8.types import QTYPES, REGIONS, Plan, QParams

_RESULT = {"QLinearConcat": 0, "QGemm": 7, "QLinearConv": 6, "QLinearAdd": 6, "QLinearMul": 6, "QLinearMatMul": 6}
"""Where an integer operator has its output's scale, the zero point behind it; 3 for those of one input."""
_WEIGHT = 3
"""Where QLinearConv and QGemm have their weight; scale and zero point behind it."""


def recover(original: ir.Model, quantized: ir.Model) -> tuple[ir.Model, tuple[PassResult, ...], Plan]:
    """The prepared FP32 model that a quantized one was made of, what the passes did, and the plan, without `codes`.

    Args:
        original: the FP32 model.
        quantized: what `pyq8.quantize` made of it, in either format.

    Raises:
        PlanError: pyq8 did not make it, or not of this model or not with this version's passes.
    """
    from pyq8.correction.channels import find_bundles
    from pyq8.correction.equalization import equalize

    digest = quantized.metadata_props.get("pyq8.model_sha256")
    if digest is None:
        raise PlanError("pyq8 did not make the INT8 model")
    factors = remembered_factors(quantized)
    for format in ("qdq", REGIONS):  # the fallback of a model of regions is prepared as they are
        found = prepare(same_input(original, quantized)[0], format)
        sizes = {v.name: bundle.channels for bundle in find_bundles(found.model.graph) for v in bundle.values}
        fits = all(sizes.get(name) == array.size for name, array in factors.items())
        prepared = equalize(found.model, factors) if fits else found.model
        if sha256(prepared) == digest:
            return prepared, found.passes, _read(prepared, quantized)
    raise PlanError("the INT8 model was not made of this FP32 model by this version of pyq8")


def _read(prepared: ir.Model, quantized: ir.Model) -> Plan:
    known = {v.name or "" for n in prepared.graph for v in n.outputs} | {v.name or "" for v in prepared.graph.inputs}
    paired = quantized.metadata_props.get("pyq8.target") == "avx2"
    weights = {name for name, v in prepared.graph.initializers.items() if v.const_value is not None}
    qparams = {}
    for node in quantized.graph:
        name = (node.outputs[0].name or "").removesuffix("_quantized")
        if name in known and name != node.outputs[0].name:
            found = _activation(node)
            if found is not None:
                qparams[name] = found
        for index, value in enumerate(node.inputs):
            name = (value.name or "").removesuffix("_quantized") if value is not None else ""
            places = {"DequantizeLinear": 0, "QLinearConv": _WEIGHT, "QGemm": _WEIGHT}
            if name in weights and places.get(node.op_type) == index:
                value = prepared.graph.initializers[name]
                pairs = paired and any(node_adds_pairs(use.node, value) for use in value.uses())
                qparams[name] = _weight(node, index, "int8_paired" if pairs else "int8")
    reasons = remembered_reasons(quantized)
    there = {node.name for node in quantized.graph}
    int8 = tuple(n.name or "" for n in prepared.graph if n.name in there and n.name not in reasons)
    return Plan(qparams, int8, reasons, channel_factors=remembered_factors(quantized))


def _activation(node: ir.Node) -> QParams | None:
    """Of what a node writes as integers; of what it reads where it only moves them."""
    made: ir.Node | None = node
    while made is not None:
        if made.op_type == "QuantizeLinear":
            return _qparams(made, 1, "uint8")
        if made.op_type.startswith("Q"):
            return _qparams(made, _RESULT.get(made.op_type, 3), "uint8")
        made = made.inputs[0].producer() if made.inputs and made.inputs[0] is not None else None
    return None


def _weight(node: ir.Node, index: int, qtype: str) -> QParams:
    found = _qparams(node, index + 1, qtype)
    assert found is not None
    if found.scale.ndim == 0:
        return found
    transposed = node.op_type == "QLinearConv" or static_int(node, "transB", 0) == 1
    return QParams(found.scale, found.zero_point, found.qtype, static_int(node, "axis", 0 if transposed else 1))


def _qparams(node: ir.Node, index: int, qtype: str) -> QParams | None:
    scale, zero_point = (constant(v) for v in node.inputs[index : index + 2])
    if scale is None or zero_point is None:
        return None
    found = "uint8" if zero_point.dtype == np.uint8 else qtype  # a constant that is no weight
    return QParams(np.asarray(scale, np.float32), zero_point.astype(np.int32), QTYPES[found])
