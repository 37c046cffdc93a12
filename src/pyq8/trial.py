"""The quantized model with some more nodes in FP32: what a search tries, without calibrating again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyq8.plan import keep_float
from pyq8.rewrite import rewrite
from pyq8.types import Config, Plan

if TYPE_CHECKING:
    import onnx_ir as ir


def trial(model: ir.Model, plan: Plan, fp32: Sequence[str] = (), format: str = Config.format) -> ir.Model:
    """What the plan makes of the model with the nodes `fp32` (names or patterns) in FP32; see `keep_float`."""
    return rewrite(model, keep_float(model, plan, fp32), format)
