"""The minimum cut is minimal, and of equal ones leaves the sink the fewest vertices."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from pyq8.ops.min_cut import Edge, sink_side


def capacity(edges: list[Edge], side: set[int]) -> int:
    """Of what leads from the source's side to the sink's, `side`."""
    return sum(room for start, end, room in edges if start not in side and end in side)


@pytest.mark.parametrize("seed", range(40))
def test_no_other_cut_is_cheaper_or_as_cheap_with_fewer_vertices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 9))
    edges = [(int(a), int(b), int(c)) for a, b, c in rng.integers(0, [count, count, 6], (3 * count, 3))]
    inner = range(2, count)

    found = sink_side(count, edges, 0, 1)

    cuts = [{1, *some} for n in range(count - 1) for some in combinations(inner, n)]
    assert (capacity(edges, found), len(found)) == min((capacity(edges, cut), len(cut)) for cut in cuts)


def test_a_chain_longer_than_the_recursion_limit() -> None:
    edges = [(0, 2, 9), *((i, i + 1, 5) for i in range(2, 3000)), (3000, 1, 9), (1500, 1501, -0)]

    assert sink_side(3001, edges, 0, 1) == {1, 3000}
