"""The biases of a plan with more nodes in FP32.

Corrected in sequence, a bias also takes out what INT8 did to the mean of its layer's input, which is wrong where a
layer before it went to FP32. The layer's own correction (`own_corrections`) leaves what the layers still in INT8 do to
that mean. Which is nearer to FP32 depends on how much the FP32 nodes lost, so it is measured.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pyq8.groundwork import Groundwork
from pyq8.loaders.some import first_feeds
from pyq8.plan.make import keep_float
from pyq8.rewrite import rewrite
from pyq8.trial import own_corrections
from pyq8.types import Plan
from pyq8.verify.judged import Judge, judged_model

if TYPE_CHECKING:
    import onnx_ir as ir

FEW = 8
"""Images on which models are compared beside the trials."""


class Corrections:
    """Plans with more nodes in FP32.

    Args:
        base: the plan for all in INT8, and what it was made of.
    """

    def __init__(self, base: Groundwork) -> None:
        self._base = base
        self._model = judged_model(base.prepared, base.plan)

    def plan(self, nodes: Collection[str], reason: str) -> Plan:
        """The plan with `nodes` in FP32 for a reason, and the biases behind them that are nearer to FP32."""
        whole = self._base.plan
        more = replace(whole, float_nodes={**whole.float_nodes, **dict.fromkeys(nodes, reason)})
        sequence = keep_float(self._base.prepared, more)
        behind = self._behind(nodes)
        shifts = {n: self._own.get(n, s) if n in behind else s for n, s in sequence.bias_shift.items()}
        if all(np.array_equal(shifts[n], s) for n, s in sequence.bias_shift.items()):
            return sequence
        return min(sequence, replace(sequence, bias_shift=shifts), key=self._noise)

    @cached_property
    def _own(self) -> dict[str, npt.NDArray[np.float32]]:
        return dict(own_corrections(self._base.prepared, self._base.plan, self._base.calibration).bias_shift)

    @cached_property
    def _judge(self) -> Judge:
        return Judge(self._model, first_feeds(self._base.kept, FEW))

    def _noise(self, plan: Plan) -> float:
        return self._judge.noise(rewrite(self._model, plan))

    def _behind(self, nodes: Collection[str]) -> set[str]:
        """Names of the nodes that `nodes` lead to."""
        reached: set[ir.Value | None] = set()
        behind: set[str] = set()
        for node in self._base.prepared.graph:
            if any(value in reached for value in node.inputs):
                behind.add(node.name or "")
            if node.name in nodes or node.name in behind:
                reached.update(node.outputs)
        return behind
