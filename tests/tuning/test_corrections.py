"""Behind FP32 nodes the biases are those that bring the outputs nearer to FP32; before them they stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyq8.groundwork import Groundwork
from pyq8.plan.groups import find_groups
from pyq8.trial import own_corrections
from pyq8.tuning import corrections
from pyq8.tuning.corrections import Corrections


def nodes_of(base: Groundwork, *names: str) -> list[str]:
    return [node for group in find_groups(base.prepared, base.plan) if group.name in names for node in group.nodes]


@pytest.mark.parametrize("wrong", ["sequence", "own"])
def test_of_both_biases_the_nearer_to_fp32_are_taken_behind_fp32_and_none_before(
    base: Groundwork, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = own_corrections(base.prepared, base.plan, base.calibration)
    moved = {name: shift + np.float32(name in ("expand1", "project3")) for name, shift in right.bias_shift.items()}
    off = replace(right, bias_shift=moved)
    monkeypatch.setattr(corrections, "own_corrections", lambda *_: off if wrong == "own" else right)
    changed = replace(base, plan=off if wrong == "sequence" else right)
    nodes = nodes_of(base, "depthwise2", "project2")

    found = Corrections(changed).plan(nodes, "because")

    assert np.array_equal(found.bias_shift["project3"], right.bias_shift["project3"])  # behind
    assert np.array_equal(found.bias_shift["expand1"], changed.plan.bias_shift["expand1"])  # before
    assert {node: found.float_nodes[node] for node in nodes} == dict.fromkeys(nodes, "because")


def test_all_in_int8_is_the_plan_itself(base: Groundwork) -> None:
    assert Corrections(base).plan((), "") == base.plan
