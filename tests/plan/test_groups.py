"""find_groups: every INT8 node belongs to one group, with the weights that it works on."""

from __future__ import annotations

from pyq8.plan.groups import Group, find_groups
from pyq8.types import Config
from tests.small_models import Weights, between, parse, quantized

RESIDUAL = """
    [relu] c = Relu(a) [left] d = Conv(c, w) [right] e = Conv(c, v) [sum] f = Add(d, e) [last] h = Relu(f)
    [pool] b = MaxPool<kernel_shape = [2, 2]>(h)
"""
WEIGHTS: Weights = {"w": (16, 16, 1, 1), "v": (16, 16, 1, 1)}


def test_what_works_on_a_result_belongs_to_the_last_node_that_computes_it() -> None:
    case = quantized(between(RESIDUAL, WEIGHTS), Config())

    assert find_groups(case.model, case.plan) == (
        Group("conv1", ("conv1",), ("relu",)),
        Group("left", ("left",)),
        Group("right", ("right", "sum", "pool"), ("last",)),
        Group("conv2", ("conv2",)),
    )


def test_what_moves_the_image_belongs_to_the_convolution_that_reads_it() -> None:
    text = """g (float[1, 12, 12, 8] x) => (float[N, C, H, W] y) {
        [turn] t = Transpose<perm = [0, 3, 1, 2]>(x) [first] a = Conv(t, w1) [then] y = Conv(a, w2)
    }"""
    case = quantized(parse(text, {"w1": (16, 8, 3, 3), "w2": (16, 16, 3, 3)}))

    assert [group.nodes for group in find_groups(case.model, case.plan)] == [("turn", "first"), ("then",)]


def test_a_node_in_fp32_is_in_no_group_and_neither_is_what_reads_it() -> None:
    case = quantized(between(RESIDUAL, WEIGHTS), Config(exclude=("left", "right")))

    assert [group.nodes for group in find_groups(case.model, case.plan)] == [("conv1",), ("conv2",)]
