"""Lay a graph out as lanes beside a list of its nodes, the way version-control logs draw branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDEST = 8
"""Lanes that are drawn; what lies beyond shares the last one."""


@dataclass(frozen=True)
class Row:
    """What is drawn beside one node.

    Args:
        lane: of the node, from 0.
        joins: lanes from which its inputs come.
        through: lanes that pass it, those of inputs that are read further down included.
        ends: whether nothing reads its output.
    """

    lane: int
    joins: tuple[int, ...]
    through: tuple[int, ...]
    ends: bool


def lay_out(reads: Sequence[Sequence[int]]) -> list[Row]:
    """The row of every node: it continues the lane of the first input that nothing else waits for.

    Args:
        reads: of every node, in order, the indices of the nodes before it that it reads.
    """
    last = [-1] * len(reads)
    for index, sources in enumerate(reads):
        for source in sources:
            last[source] = index
    lanes: list[int | None] = []
    place = [0] * len(reads)
    rows = []
    for index, sources in enumerate(reads):
        joins = sorted({place[source] for source in sources})
        done = [place[source] for source in sources if last[source] == index]
        for lane in done:
            lanes[lane] = None
        lanes += [None] if None not in lanes else []
        lane = min(done) if done else lanes.index(None)
        through = [i for i, holder in enumerate(lanes) if holder is not None]
        place[index] = lane
        ends = last[index] < 0
        lanes[lane] = None if ends else index
        rows.append(Row(_clip(lane), _clipped(joins), _clipped(through), ends))
    return rows


def _clip(lane: int) -> int:
    return min(lane, WIDEST - 1)


def _clipped(lanes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted({_clip(lane) for lane in lanes}))
