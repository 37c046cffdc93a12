"""Minimum cut of a directed graph, by Dinic's maximum flow."""

from __future__ import annotations

from collections.abc import Sequence

Edge = tuple[int, int, int]


def sink_side(count: int, edges: Sequence[Edge], source: int, sink: int) -> set[int]:
    """The vertices on the sink's side of the minimum cut; of several such cuts, the one with the fewest.

    Args:
        count: of vertices, which are 0 .. count - 1.
        edges: (from, to, capacity >= 0).
        source: a vertex.
        sink: another one.
    """
    heads: list[int] = []
    room: list[int] = []
    out: list[list[int]] = [[] for _ in range(count)]
    for start, end, capacity in edges:  # edge e and its reverse e ^ 1
        for vertex, head, free in ((start, end, capacity), (end, start, 0)):
            out[vertex].append(len(heads))
            heads.append(head)
            room.append(free)
    while (levels := _levels(heads, room, out, source))[sink] >= 0:
        _block(heads, room, out, source, sink, levels)
    reached = [sink]
    found = {sink}
    for vertex in reached:
        before = [heads[e] for e in out[vertex] if room[e ^ 1] and heads[e] not in found]
        found.update(before)
        reached.extend(dict.fromkeys(before))
    return found


def _levels(heads: list[int], room: list[int], out: list[list[int]], source: int) -> list[int]:
    """Edges with room between the source and every vertex, -1 where there is no such path."""
    levels = [-1] * len(out)
    levels[source] = 0
    reached = [source]
    for vertex in reached:
        for e in out[vertex]:
            if room[e] and levels[heads[e]] < 0:
                levels[heads[e]] = levels[vertex] + 1
                reached.append(heads[e])
    return levels


def _block(heads: list[int], room: list[int], out: list[list[int]], source: int, sink: int, levels: list[int]) -> None:
    """Push flow along shortest paths until every one of them is full."""
    turn = [0] * len(out)
    path: list[int] = []
    vertex = source
    while True:
        if vertex == sink:
            pushed = min(room[e] for e in path)
            for e in path:
                room[e] -= pushed
                room[e ^ 1] += pushed
            path, vertex = [], source
        while turn[vertex] < len(out[vertex]):
            e = out[vertex][turn[vertex]]
            if room[e] and levels[heads[e]] == levels[vertex] + 1:
                path.append(e)
                vertex = heads[e]
                break
            turn[vertex] += 1
        else:
            if not path:
                return
            vertex = heads[path.pop() ^ 1]
            turn[vertex] += 1
