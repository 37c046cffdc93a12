"""Decide: which tensor gets which parameters, which node stays FP32 and why. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyq8.correction import bias_shifts
from pyq8.ops.by_cost import PLACEMENTS
from pyq8.ops.placement import place
from pyq8.qparams import activation_qparams, weight_qparams
from pyq8.stats import Calibration
from pyq8.types import Config, Plan

if TYPE_CHECKING:
    import onnx_ir as ir


def make_plan(model: ir.Model, calibration: Calibration, config: Config) -> Plan:
    """The plan for a prepared model.

    Raises:
        UsageError: a pattern of `config.exclude` matches no node, or `config.placement` is unknown.
        CalibrationError: the calibration is of another model.
    """
    from pyq8.model import sha256

    calibration.check_model(sha256(model))
    choose = PLACEMENTS.get(config.placement)
    placement = place(model, config.exclude)
    placement = place(model, config.exclude, choose(placement))
    activations = activation_qparams(placement, calibration, config)
    weights = weight_qparams(placement, activations, config)
    shifts = bias_shifts(placement, calibration, weights) if config.bias_correction else {}
    return Plan(
        qparams=activations | weights,
        int8_nodes=tuple(node.name or "" for node in placement.int8),
        float_nodes=placement.float_nodes,
        absorbed=placement.absorbed,
        bias_shift=shifts,
    )
