"""time_groups: a group costs what its nodes cost, under the names of the file, in INT8 and in FP32."""

from __future__ import annotations

from typing import Any

import pytest

from pyq8.bench import group_times
from pyq8.bench.group_times import time_groups
from pyq8.bench.profile import NodeTime, Profile
from pyq8.plan.groups import Group, find_groups
from tests.small_models import Case, Weights, between, quantized

BODY = "[r] c = Relu(a) [one] d = Conv(c, w) [sum] e = Add(d, c) [pool] b = MaxPool<kernel_shape = [2, 2]>(e)"
WEIGHTS: Weights = {"w": (16, 16, 1, 1)}


def case(batch: int = 1) -> Case:
    return quantized(between(BODY, WEIGHTS, shape=f"{batch}, 8, 12, 12"))


def test_every_group_is_found_in_both_models() -> None:
    found = case()
    groups = find_groups(found.model, found.plan)

    for model in (found.model, found.quantized["qdq"]):
        times = time_groups(model, groups, found.feeds[0], threads=1, seconds=0)

        assert set(times) == {"conv1", "one", "conv2"}
        assert all(us > 0 for us in times.values())


@pytest.mark.parametrize("batch", [1, 2])
def test_a_group_costs_the_sum_of_its_nodes_an_image(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    found = case(batch)
    nodes = (
        NodeTime("one", "QLinearConv", 0.004, "d"),
        NodeTime("sum", "QLinearAdd", 0.002, "e"),
        NodeTime("conv1", "QLinearConv", 0.008, "c"),
        NodeTime("r", "Relu", 0.001, "c"),
        NodeTime("pool", "Transpose", 0.016),  # ONNX Runtime's own, which happens to be called so
    )

    def profile(*_: Any, **options: Any) -> Profile:
        assert options["batch"] == batch
        return Profile("m.onnx", batch, 1, 3, nodes)

    monkeypatch.setattr(group_times, "profile_model", profile)
    groups = (Group("conv1", ("conv1",), ("r",)), Group("one", ("one", "sum", "pool")), Group("conv2", ("conv2",)))

    times = time_groups(found.model, groups, found.feeds[0])

    assert times == pytest.approx({"conv1": 9 / batch, "one": 6 / batch})
