"""Which groups to try in FP32, one choice after another.

With the groups ranked by what they gain for their time, the shortest prefix of the ranking that is accurate enough is
found by bisection; then its groups go back to INT8 wherever the limit still holds, the least useful first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from pyq8.tuning.goal import Estimate, Floats, Goal


@dataclass(frozen=True)
class Ask:
    """What to try next.

    Args:
        floats: the groups in FP32.
        left: about how many trials are left, this one included; fewer where several groups go at once.
    """

    floats: Floats
    left: int


Search = Generator[Ask, float, None]
"""Yields what to try and is sent what it loses. What it asks twice has the same answer."""


def search(rank: Callable[[], Sequence[str]], goal: Goal, ms: Estimate) -> Search:
    """Ask for losses until the best choice is known.

    Args:
        rank: the groups, the most useful in FP32 first; not asked where nothing must go to FP32.
        goal: what is demanded; its cap is held by estimates, which cost no trial.
        ms: the estimates.
    """
    nothing = yield Ask(frozenset(), 1)
    if goal.limit is not None and goal.accurate(nothing):
        return
    ranking = rank()
    room = _fill(ranking, goal, ms) if goal.cap is not None else []
    if goal.limit is None:
        if room and (most := (yield Ask(frozenset(room), len(room) + 1))) < nothing:
            yield from _cheapest(room, Goal(most, goal.cap), ms)
    elif room and goal.accurate((yield Ask(frozenset(room), len(room) + 1))):
        yield from _cheapest(room, goal, ms)
    else:
        yield from _cheapest(ranking, Goal(goal.limit), ms)


def _fill(ranking: Sequence[str], goal: Goal, ms: Estimate) -> list[str]:
    """As many groups as the cap admits, the most useful first."""
    chosen: list[str] = []
    now = ms(frozenset())
    for group in ranking:
        then = ms(frozenset([*chosen, group]))
        if goal.fast(then) or then <= now:
            chosen.append(group)
            now = then
    return chosen


def _cheapest(order: Sequence[str], goal: Goal, ms: Estimate) -> Search:
    """The fewest groups that are accurate enough, where `order` as a whole is."""
    kept = yield from _shortest(order, goal)
    if not goal.accurate((yield Ask(frozenset(kept), len(kept) + 1))):
        return
    before: list[str] = []
    while kept != before:  # once more: a group that was needed may not be without those that went after it
        before = kept
        kept = yield from _step_back(kept, goal, ms)


def _shortest(order: Sequence[str], goal: Goal) -> Generator[Ask, float, list[str]]:
    """The shortest prefix that is accurate enough. Few groups are at fault as a rule: the logarithm is bisected."""
    low, high = 0, len(order)
    while high - low > 1:
        middle = min(max(math.isqrt(max(low, 1) * high), low + 1), high - 1)
        if goal.accurate((yield Ask(frozenset(order[:middle]), (high - low).bit_length() + high))):
            high = middle
        else:
            low = middle
    return list(order[:high])


def _step_back(kept: list[str], goal: Goal, ms: Estimate) -> Generator[Ask, float, list[str]]:
    """Return groups to INT8 from the last on, in strides that double while they succeed; none that is slower there."""
    end, stride, again = len(kept), 1, 0
    while end > 0:
        start = max(0, end - stride)
        rest = [*kept[:start], *kept[end:]]
        faster = ms(frozenset(rest)) <= ms(frozenset(kept))
        if faster and goal.accurate((yield Ask(frozenset(rest), end + again))):
            kept, end, stride, again = rest, start, 2 * stride, len(rest)
        elif end - start > 1:
            stride = (end - start) // 2
        else:
            end, stride = start, 1
    return kept
