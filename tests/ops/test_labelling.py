"""The cheapest choice of INT8 and FP32 is the cheapest of all, and a tensor is converted once."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pyq8.ops.labelling import Network, Tensor


def choices(network: Network) -> list[set[int]]:
    """Every set of nodes that may be FP32 together."""
    count = len(network.nodes)
    fixed = {i for i, costs in enumerate(network.nodes) if costs is None}
    every = [set(some) for n in range(count + 1) for some in combinations(range(count), n)]
    return [f for f in every if not f & fixed and not any(w in f and i not in f for i, w in network.follows)]


@pytest.mark.parametrize("seed", range(40))
def test_no_other_choice_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 8))
    nodes = [None if rng.random() < 0.1 else (int(rng.integers(20)), int(rng.integers(20))) for _ in range(count)]
    tensors = []
    for writer in (None, *range(count - 1)):
        later = range(0 if writer is None else writer + 1, count)
        readers = tuple(i for i in later if rng.random() < 0.4)
        tensors.append(Tensor(writer, readers, bool(rng.random() < 0.3), *(int(n) for n in rng.integers(9, size=2))))
    follows = [(r, t.writer) for t in tensors for r in t.readers if t.writer is not None and rng.random() < 0.2]
    network = Network(tuple(nodes), tuple(tensors), tuple(follows))
    everything = set(range(count))

    found = network.cheapest()

    best = min((network.cost(everything, floats), len(floats)) for floats in choices(network))
    assert (network.cost(everything, found), len(found)) == best
    assert found in choices(network)


def test_a_tensor_is_converted_once_whoever_reads_it() -> None:
    written = Tensor(0, (1, 2), True, quantize=3, dequantize=5)
    given = Tensor(None, (1, 2), True, quantize=3, dequantize=5)

    costs = [(written.conversion(floats), given.conversion(floats)) for floats in (set(), {1}, {1, 2}, {0}, {0, 1, 2})]

    assert costs == [(5, 3), (5, 3), (5, 0), (3, 3), (0, 0)]


def test_int8_nodes_may_be_credited() -> None:
    network = Network(((10, 9),), ())

    assert network.cheapest() == {0}
    assert network.cheapest(0.8) == set()


def test_nodes_that_share_a_tensor_are_connected_even_as_its_two_readers() -> None:
    tensors = tuple(Tensor(w, r, False, 1, 1) for w, r in ((0, (1, 2)), (3, (4,))))
    network = Network(((1, 1),) * 5, tensors)

    assert network.connected({1, 2, 3, 4}) == [{1, 2}, {3, 4}]
    assert network.connected({0, 2}) == [{0, 2}]
