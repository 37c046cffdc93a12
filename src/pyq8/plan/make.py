"""Decide: which tensor gets which parameters, which node stays FP32 and why. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8.correction import bias_shifts
from pyq8.errors import CalibrationError
from pyq8.graph_edit import constant
from pyq8.model.file import sha256
from pyq8.ops.by_cost import PLACEMENTS
from pyq8.ops.placement import place
from pyq8.ops.tables import find_tables
from pyq8.plan.check import weight_readers
from pyq8.plan.paired import paired_codes
from pyq8.plan.qparams import activation_qparams, known_ranges, quantized_tensors, weight_qparams
from pyq8.stats import Calibration
from pyq8.types import PAIRED, REGIONS, Config, Plan, QParams


def make_plan(model: ir.Model, calibration: Calibration, config: Config) -> Plan:
    """The plan for a prepared model.

    Raises:
        UsageError: a pattern of `config.exclude` matches no node, or `config.placement` is unknown.
        CalibrationError: the calibration is of another model.
    """
    calibration.check_model(sha256(model))
    choose = PLACEMENTS.get(config.placement)
    tables = find_tables(model, config.exclude) if config.format == REGIONS else {}
    placement = place(model, config.exclude, tables)
    placement = place(model, config.exclude, {**tables, **choose(placement)})
    known = known_ranges(place(model)) | known_ranges(placement)  # behind a table more can be INT8
    activations = activation_qparams(placement, calibration, config, known)
    weights = weight_qparams(placement, activations, config)
    codes = _paired_codes(model, weights)
    shifts = bias_shifts(placement, calibration, weights, codes) if config.bias_correction else {}
    return Plan(
        qparams=activations | weights,
        int8_nodes=tuple(node.name or "" for node in placement.int8),
        float_nodes=placement.float_nodes,
        absorbed=placement.absorbed,
        bias_shift=shifts,
        codes=codes,
    )


def _paired_codes(model: ir.Model, weights: Mapping[str, QParams]) -> dict[str, npt.NDArray[np.int8]]:
    found = {}
    for name, qparams in weights.items():
        array = constant(model.graph.initializers[name])
        codes = paired_codes(array, qparams) if array is not None and qparams.qtype is PAIRED else None
        if codes is not None:
            found[name] = codes
    return found


def keep_float(model: ir.Model, plan: Plan, exclude: Sequence[str] = ()) -> Plan:
    """The plan with more nodes in FP32, everything else as it was: no calibration is needed.

    A node and what its saturation computes go together, and what only moves or adds FP32 values goes with them.

    Args:
        model: the prepared model that the plan was made for.
        plan: what is INT8 so far; every name in `float_nodes` stays FP32.
        exclude: names or patterns of nodes.

    Raises:
        UsageError: a pattern matches no node.
        CalibrationError: the plan has no parameters for a tensor: it is of another model.
    """
    placement = place(model, exclude, plan.float_nodes)
    needed = {value.name or "" for value in quantized_tensors(placement)}
    needed.update(weight_readers(placement))
    missing = sorted(needed - set(plan.qparams))
    if missing:
        raise CalibrationError(f"the plan has no parameters for tensor {missing[0]!r}: it was made for another model")
    int8 = tuple(node.name or "" for node in placement.int8)
    return Plan(
        qparams={name: q for name, q in plan.qparams.items() if name in needed},
        int8_nodes=int8,
        float_nodes=placement.float_nodes,
        absorbed=placement.absorbed,
        bias_shift={name: v for name, v in plan.bias_shift.items() if name in int8},
        codes={name: v for name, v in plan.codes.items() if name in needed},
        channel_factors=plan.channel_factors,
    )
