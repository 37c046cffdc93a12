"""Behind FP32 nodes the biases are those that bring the outputs nearer to FP32; before them they stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyq8.groundwork import Groundwork
from pyq8.groups import find_groups
from pyq8.plan import keep_float
from pyq8.rewrite import rewrite
from pyq8.trial import own_corrections
from pyq8.tuning.corrections import Corrections, few
from pyq8.types import Plan
from pyq8.verify.judged import Judge, judged_model


def nodes_of(base: Groundwork, *names: str) -> list[str]:
    return [node for group in find_groups(base.prepared, base.plan) if group.name in names for node in group.nodes]


def noise(base: Groundwork, plan: Plan) -> float:
    judged = judged_model(base.prepared, base.plan)
    return Judge(judged, few(base)).noise(rewrite(judged, plan))


@pytest.mark.parametrize("wrong", ["sequence", "own"])
def test_of_both_biases_the_nearer_to_fp32_are_taken_behind_fp32_and_none_before(base: Groundwork, wrong: str) -> None:
    own = own_corrections(base.prepared, base.plan, base.calibration).bias_shift
    shifts = {name: shift + (1.0 if wrong == "sequence" and name == "project3" else 0.0) for name, shift in own.items()}
    if wrong == "own":
        shifts["expand3"] = own["expand3"] + 1e-6  # as good as it, and another
    shifts["expand1"] = own["expand1"] + np.float32(1e-3)
    plan = replace(base.plan, bias_shift={name: shift.astype(np.float32) for name, shift in shifts.items()})
    changed = replace(base, plan=plan)
    nodes = nodes_of(base, "depthwise2", "project2")

    found = Corrections(changed).plan(nodes, "because")

    kept = keep_float(base.prepared, plan, nodes)
    assert noise(changed, found) <= min(noise(changed, kept), noise(changed, replace(kept, bias_shift={
        **kept.bias_shift, **{n: own[n] for n in ("expand3", "depthwise3", "project3", "fc")}})))  # fmt: skip
    assert np.array_equal(found.bias_shift["expand1"], plan.bias_shift["expand1"])
    if wrong == "sequence":
        assert np.array_equal(found.bias_shift["project3"], own["project3"])
    assert {node: found.float_nodes[node] for node in nodes} == dict.fromkeys(nodes, "because")


def test_all_in_int8_is_the_plan_itself(base: Groundwork) -> None:
    assert Corrections(base).plan((), "") == base.plan
