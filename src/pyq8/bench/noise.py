"""Was the machine quiet while it was timed? What other programs and the hypervisor took, and how rounds differed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

OTHERS, STEAL, SPREAD = 0.05, 0.02, 0.10
"""Beyond these a machine is called noisy."""
LONG_ENOUGH = 1.0
"""CPU seconds below which the kernel's counters (ticks of 10 ms) say nothing."""


@dataclass(frozen=True)
class Noise:
    """What disturbed the timing.

    Args:
        others: share of this process's CPUs that other programs took, 0..1; None where Linux does not say, or
            nothing ran for long.
        steal: the same of the hypervisor, for other virtual machines.
        spread: (slowest - fastest round) / median of the model that differed most; None for one round.
    """

    others: float | None
    steal: float | None
    spread: float | None

    @property
    def noisy(self) -> bool:
        """Whether any of the three is beyond its limit."""
        limits = ((self.others, OTHERS), (self.steal, STEAL), (self.spread, SPREAD))
        return any(value is not None and value > limit for value, limit in limits)

    def __str__(self) -> str:
        said = [f"other programs took {self.others:.0%} of the CPUs"] if self.others is not None else []
        said += [f"the hypervisor took {self.steal:.0%}"] if self.steal else []
        said += [f"a model's rounds differed by up to {self.spread:.0%}"] if self.spread is not None else []
        found = ", ".join(said) or "nothing is known"
        if self.noisy:
            return f"NOISY MACHINE: {found}; stop what else runs, or raise --rounds and --seconds, and time again"
        return f"no noise found: {found}"

    def to_json(self) -> dict[str, Any]:
        """Its fields, and `noisy`."""
        return {"noisy": self.noisy, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Noise:
        """The inverse of `to_json`."""
        return cls(data["others"], data["steal"], data["spread"])


class CpuWatch:
    """What others took of this process's CPUs since it was made."""

    def __init__(self) -> None:
        self._start = _seconds()

    def taken(self) -> tuple[float | None, float | None]:
        """(share of other programs, share stolen); children that have ended are ours."""
        start, end = self._start, _seconds()
        if start is None or end is None:
            return None, None
        busy, stolen, ours, total = (b - a for a, b in zip(start, end, strict=True))
        if total < LONG_ENOUGH:
            return None, None
        return max(0.0, busy - ours) / total, stolen / total


def _seconds() -> tuple[float, float, float, float] | None:
    """CPU seconds so far: busy, stolen, ours, and all there are."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    names = {f"cpu{i}" for i in os.sched_getaffinity(0)}
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    ticks = [[int(n) for n in line.split()[1:9]] for line in lines if line.split(" ", 1)[0] in names]
    if not any(map(any, ticks)):  # a sandbox that shows nothing
        return None
    sums = (sum(column) / os.sysconf("SC_CLK_TCK") for column in zip(*ticks, strict=True))
    user, nice, system, idle, wait, irq, soft, steal = sums
    busy = user + nice + system + irq + soft
    return busy, steal, sum(os.times()[:4]), busy + steal + idle + wait
