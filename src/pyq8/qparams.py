"""From statistics and weights to scales and zero points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from pyq8 import affine
from pyq8.errors import CalibrationError
from pyq8.observers import OBSERVERS
from pyq8.ops import Fixed, OpRule, SameAs, find_rule
from pyq8.ops.placement import Placement
from pyq8.stats import Calibration, TensorStats
from pyq8.types import UINT8, Config, QParams

if TYPE_CHECKING:
    import onnx_ir as ir


def activation_qparams(placement: Placement, calibration: Calibration, config: Config) -> dict[str, QParams]:
    """Parameters of every tensor that an INT8 node reads or writes, by name; one object for shared ones."""
    observer = OBSERVERS.get(config.observer)
    by_root: dict[str, QParams] = {}
    chosen: dict[str, QParams] = {}

    def assign(value: ir.Value) -> None:
        root = placement.scale_root(value)
        name, root_name = value.name or "", root.name or ""
        if root_name not in by_root:
            known = _known_range(root, placement)
            if known is None:
                low, high = observer.choose(_stats(root, calibration.stats), UINT8)
            else:
                low, high = known
            by_root[root_name] = affine.choose_qparams(low, high, UINT8)
        chosen[name] = by_root[root_name]

    for node in placement.int8:
        rule = find_rule(node.op_type, node.domain)
        assert rule is not None
        for _, value in rule.activations(node):
            assign(value)
        if not writes_float(node, rule, placement):
            assign(placement.output(node))
            for extra in node.outputs[1:]:
                if extra.uses() and isinstance(rule.output, SameAs):
                    assign(extra)
    return chosen


def writes_float(node: ir.Node, rule: OpRule, placement: Placement) -> bool:
    """Whether an INT8 node hands on float32: its kernel can, and nothing INT8 reads it."""
    output = placement.output(node)
    absorbs = output is not node.outputs[0]
    return rule.float_output and not absorbs and not placement.quantized_readers(output)


def weight_qparams(
    placement: Placement, activations: Mapping[str, QParams], config: Config
) -> dict[str, QParams]:
    """Symmetric per-channel parameters of every weight, coarse enough that no int32 bias clips."""
    floors: dict[str, list[np.ndarray]] = {}
    axes: dict[str, int] = {}
    weights: dict[str, ir.Value] = {}
    for node in placement.int8:
        rule = find_rule(node.op_type, node.domain)
        if rule is None or rule.weight is None:
            continue
        weight, source = node.inputs[rule.weight], node.inputs[rule.inputs[0] if rule.inputs else 0]
        assert weight is not None and weight.name and source is not None
        weights[weight.name] = weight
        axes.setdefault(weight.name, rule.weight_axis(node))
        bias = node.inputs[rule.bias] if rule.bias is not None and len(node.inputs) > rule.bias else None
        if bias is not None and bias.const_value is not None:
            x_scale = float(activations[source.name or ""].scale)
            channels = weight.const_value.shape[axes[weight.name]]  # type: ignore[union-attr]
            values = np.broadcast_to(bias.const_value.numpy().reshape(-1), (channels,))
            floors.setdefault(weight.name, []).append(affine.bias_floor(values, x_scale))
    chosen = {}
    for name, weight in weights.items():
        assert weight.const_value is not None
        floor = np.max(floors[name], axis=0) if name in floors else None
        chosen[name] = affine.choose_weight_qparams(
            weight.const_value.numpy(), axes[name], config.weight_type, floor=floor
        )
    return chosen


def _known_range(root: ir.Value, placement: Placement) -> tuple[float, float] | None:
    """The range of a constant, or of what a `Fixed` operator writes."""
    if root.const_value is not None:
        array = root.const_value.numpy()
        return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    producer = root.producer()
    rule = find_rule(producer.op_type, producer.domain) if producer is not None else None
    if producer is not None and rule is not None and isinstance(rule.output, Fixed) and producer in placement.int8:
        return rule.output.low, rule.output.high
    return None


def _stats(root: ir.Value, stats: Mapping[str, TensorStats]) -> TensorStats:
    """Of the tensor; or, where it only moves or picks another's values, of that one.

    Raises:
        CalibrationError: neither was observed.
    """
    found = stats.get(root.name or "")
    if found is not None:
        return found
    producer = root.producer()
    rule = find_rule(producer.op_type, producer.domain) if producer is not None else None
    if producer is not None and rule is not None and isinstance(rule.output, SameAs):
        source = producer.inputs[rule.output.input]
        if source is not None:
            return _stats(source, stats)
    raise CalibrationError(f"tensor {root.name!r} was not observed; calibrate this model again")
