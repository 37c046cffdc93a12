"""Lanes beside a list of nodes."""

from __future__ import annotations

from pyq8.report.lanes import WIDEST, lay_out


def test_a_chain_stays_in_its_lane() -> None:
    rows = lay_out([[], [0], [1]])
    assert [row.lane for row in rows] == [0, 0, 0]
    assert [row.ends for row in rows] == [False, False, True]


def test_a_branch_leaves_and_comes_back() -> None:
    entry, left, right, add = lay_out([[], [0], [0], [1, 2]])
    assert left.lane == 1 and left.joins == (0,) and 0 in left.through  # entry is read once more
    assert right.lane == 0 and 1 in right.through
    assert add.joins == (0, 1) and add.through == () and entry.lane == 0


def test_more_branches_than_lanes_share_the_last() -> None:
    count = WIDEST + 5
    rows = lay_out([[], *[[0]] * count, list(range(1, count + 1))])
    assert max(row.lane for row in rows) == WIDEST - 1
    assert rows[-1].joins == tuple(range(WIDEST))
