"""Whether a plan from a file, edited perhaps, fits a model, and the plan that it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from pyq8 import affine
from pyq8.correction.channels import find_bundles
from pyq8.correction.equalization import equalize
from pyq8.errors import CalibrationError, PlanError
from pyq8.graph_edit import constant
from pyq8.model.file import sha256
from pyq8.ops.placement import Placement, place
from pyq8.ops.stored import stored_qparams
from pyq8.plan.check import MisfitError, check_pairs, check_tensors, weight_readers
from pyq8.plan.file import PlanFile
from pyq8.plan.make import keep_float
from pyq8.types import TABLE, Plan, QParams

LEFT_OUT = "not among the INT8 nodes of the plan file"


def scale_channels(file: PlanFile, model: ir.Model, path: str | Path) -> ir.Model:
    """The prepared model with its channels scaled as they were for the plan (equalization).

    Raises:
        PlanError: the factors are not for this model.
    """
    sizes = {value.name: bundle.channels for bundle in find_bundles(model.graph) for value in bundle.values}
    for name, factors in file.plan.channel_factors.items():
        if sizes.get(name) != factors.size or not np.all(factors > 0):
            raise PlanError(
                f"{path}: a plan of another model, or its channel_factors {name!r} were changed; write it again with "
                "--save-plan"
            )
    return equalize(model, file.plan.channel_factors)


def fit_plan(file: PlanFile, model: ir.Model, path: str | Path) -> Plan:
    """The plan for the model. Nodes that are no INT8 nodes of the file stay FP32, and what depends on them.

    Args:
        file: as read.
        model: the prepared model, its channels scaled.
        path: of the file, for messages.

    Raises:
        PlanError: the plan is of another model, or an entry does not fit it; names the entry.
    """
    digest = sha256(model)
    if digest != file.model_sha256:
        raise PlanError(
            f"{path}: a plan of model {file.model_sha256[:12]}, this one is {digest[:12]} (as this version of pyq8 "
            "prepares it); write it again with --save-plan"
        )
    try:
        plan = _with_placement(file.plan, model)
        check_tensors(plan, model)
        fitted = keep_float(model, plan)
        _check_shared(fitted, model)
        _check_biases(fitted, model)
        check_pairs(fitted, model, every=file.metadata.get("pyq8.target") == "avx2")
    except MisfitError as error:
        raise PlanError(f"{path}: {error}") from None
    except CalibrationError as error:  # a node was moved to INT8, or a tensor's line deleted
        raise PlanError(
            f"{path}: {str(error).partition(': it was')[0]}; put its line back, or its nodes to FP32"
        ) from None
    return fitted


def _with_placement(plan: Plan, model: ir.Model) -> Plan:
    """The plan with every node in FP32 that could be INT8 and that the file does not call so."""
    names = {node.name or "" for node in model.graph}
    possible = place(model, (), {name: why for name, why in plan.float_nodes.items() if why == TABLE})
    able = {node.name or "" for node in possible.int8}
    for section, entries in (("int8_nodes", plan.int8_nodes), ("float_nodes", tuple(plan.float_nodes))):
        for name in entries:
            if name not in names:
                raise MisfitError(
                    f"{section} {name!r}: the model has no such node; see the names with: pyq8 inspect MODEL"
                )
    for name in plan.int8_nodes:
        if name in plan.float_nodes:
            raise MisfitError(f"int8_nodes {name!r}: it is among the float_nodes too; delete one of the two")
        if name in possible.absorbed:
            owner = possible.absorbed[name]
            raise MisfitError(f"int8_nodes {name!r}: the saturation of {owner!r} computes it; delete the entry")
        if name not in able:
            reason = possible.float_nodes.get(name, "it computes nothing")
            raise MisfitError(f"int8_nodes {name!r}: it cannot be INT8: {reason}; move it to float_nodes")
    left = {name: LEFT_OUT for name in able - {*plan.int8_nodes} if name not in plan.float_nodes}
    return replace(plan, float_nodes={**plan.float_nodes, **left}, absorbed={})


def _check_shared(plan: Plan, model: ir.Model) -> None:
    """What is only moved keeps its scale, and pixels have that of the model."""
    placement = place(model, (), plan.float_nodes)
    for node in placement.int8:
        for value in (placement.output(node), *node.outputs[1:]):
            if (name := value.name or "") in plan.qparams:
                _check_root(plan.qparams, name, placement.scale_root(value), placement)


def _check_root(qparams: Mapping[str, QParams], name: str, root: ir.Value, placement: Placement) -> None:
    producer = root.producer()
    stored = stored_qparams(producer) if producer is not None and placement.is_stored(root) else None
    wanted = stored or qparams.get(root.name or "")
    if wanted is not None and qparams[name] != wanted:
        where = "the model's own pixels" if stored else f"tensor {root.name!r}"
        scale, zero_point = float(str(wanted.scale)), int(wanted.zero_point)
        raise MisfitError(
            f"qparams {name!r}: it holds the values of {where}: scale {scale} and zero_point {zero_point}"
        )


def _check_biases(plan: Plan, model: ir.Model) -> None:
    """Scales that are too small leave no room for the bias."""
    for name, readers in weight_readers(place(model, (), plan.float_nodes)).items():
        for node, rule in readers:
            bias = constant(node.inputs[rule.bias]) if rule.bias is not None and len(node.inputs) > rule.bias else None
            source = rule.activations(node)[0][1].name or ""
            scale = affine.bias_scale(plan.qparams[source], plan.qparams[name])
            total = plan.bias_shift.get(node.name or "", np.zeros(1)) + (0 if bias is None else bias.reshape(-1))
            try:
                affine.quantize_bias(total, scale)
            except ValueError as error:
                raise MisfitError(
                    f"qparams {name!r} and {source!r}: {error} in node {node.name!r}; raise a scale"
                ) from None
