"""Variants of a quantized model, without calibrating again: what a search tries, and what layers are ranked by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import onnx_ir as ir

from pyq8.correction import bias_shifts
from pyq8.ops.placement import place
from pyq8.plan.make import keep_float
from pyq8.rewrite import rewrite
from pyq8.stats import Calibration
from pyq8.types import Config, Plan


def trial(model: ir.Model, plan: Plan, fp32: Sequence[str] = (), format: str = Config.format) -> ir.Model:
    """What the plan makes of the model with the nodes `fp32` (names or patterns) in FP32; see `keep_float`."""
    return rewrite(model, keep_float(model, plan, fp32), format)


def own_corrections(model: ir.Model, plan: Plan, calibration: Calibration) -> Plan:
    """The plan with biases that take out what rounding their own layer's weights does to its mean, and nothing else.

    Those of a corrected plan take out what the layers before do too, which is wrong where some of these go to FP32.

    Args:
        model: the prepared model that the plan was made for.
        plan: as it was corrected.
        calibration: has the means of their inputs.
    """
    shifts = bias_shifts(place(model, (), plan.float_nodes), calibration, plan.qparams, plan.codes)
    return replace(plan, bias_shift={name: shifts[name] for name in plan.bias_shift if name in shifts})
