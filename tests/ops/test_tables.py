"""Which chains of elementwise operators a region computes as tables of codes."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.ops.by_cost import make_network
from pyq8.ops.cost import Estimate
from pyq8.ops.placement import place
from pyq8.ops.tables import find_tables
from pyq8.types import TABLE

from ..small_models import Weights, between, parse

CONSTANTS: Weights = {"three": np.float32(3), "each": (16, 1, 1), "map": (1, 1, 12, 12), "w": (16, 32, 1, 1)}
FOUND: dict[str, tuple[str, set[str]]] = {
    "SiLU": ("[s] s = Sigmoid(a) [t] b = Mul(a, s)", {"s", "t"}),
    "a Sigmoid, which has a kernel": ("[s] b = Sigmoid(a)", set()),
    "an Add of a constant a channel": ("[s] b = Add(a, each)", {"s"}),
    "a constant a pixel": ("[s] b = Mul(a, map)", set()),
    "of two tensors": ("[m] m = MaxPool<kernel_shape = [1, 1]>(a) [s] s = Tanh(m) [t] b = Mul(a, s)", {"s"}),
    "a Relu that the convolution computes": ("[r] r = Relu(a) [s] b = Exp(r)", {"s"}),
    "a branch to what is FP32": ("[s] s = Tanh(a) [t] b = Mul(a, s) [u] u = Sin(s)", {"s", "t"}),
    "before what is FP32": ("[s] s = Tanh(a) [u] b = Sin(s)", set()),
    "behind what is FP32": ("[u] u = Sin(a) [s] b = Tanh(u)", set()),
    "joined": ("[s] s = HardSwish(a) [t] t = Tanh(a) [k] k = Concat<axis = 1>(s, t) [c] b = Conv(k, w)", {"s", "t"}),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_nodes_of_chains(name: str) -> None:
    body, expected = FOUND[name]

    assert find_tables(between(body, CONSTANTS)) == dict.fromkeys(expected, TABLE)


def test_what_a_gemm_hands_on_in_float_is_not_rounded_for_a_table() -> None:
    text = """g (float[N, 8, 6, 6] x) => (float[N, C] y) {
        p = Conv(x, k)  f = Flatten(p)
        [one] a = Gemm(f, w)  [act] b = HardSwish(a)  [two] c = Gemm(b, v)  [relu] r = Relu(c)
        [late] d = Tanh(r)  [three] y = Gemm(d, v)
    }"""

    assert find_tables(parse(text, {"k": (16, 8, 6, 6), "w": (16, 16), "v": (16, 16)})) == {"late": TABLE}


def test_what_reads_a_table_is_int8() -> None:
    model = between(FOUND["joined"][0], CONSTANTS)

    int8 = [[n.name for n in place(model, (), tables).int8] for tables in ({}, find_tables(model))]

    assert int8 == [["conv1", "c", "conv2"], ["conv1", "k", "c", "conv2"]]


def test_an_excluded_node_is_in_no_chain() -> None:
    model = between("[s] s = Tanh(a) [t] t = Exp(s) [u] b = Neg(t)")

    assert find_tables(model, ["t"]) == {}


def test_a_chain_without_convolutions_around_it_is_none() -> None:
    """What stands behind the last convolution stays FP32, and what follows an excluded one."""
    model = between("[s] s = Tanh(a) [t] b = Mul(a, s)")

    assert find_tables(model, ["conv1"]) == {} == find_tables(model, ["conv2"])


def test_a_table_costs_no_conversions() -> None:
    model = between("[s] s = HardSwish(a) [t] b = Mul(s, three)", CONSTANTS)
    placement = place(model, (), find_tables(model))

    network = make_network(placement, [Estimate(1000, 10**6)] * len(placement.int8))

    assert len(network.nodes) == len(placement.int8) + 1
    inner = [t for t in network.tensors if t.writer is not None and t.readers]
    assert [t.conversion(set()) for t in inner] == [0, 0]
    assert network.cheapest() == set()
