"""Where pytest-xdist has a process a core, each computes on its own, as do its children.

Threads of one that spin for work would take the core of another: the tests take half as long again.
"""

from __future__ import annotations

import os

_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
_ALL = os.sched_getaffinity(0) if _WORKER and hasattr(os, "sched_setaffinity") else set()


def take() -> None:
    """Be on this process's core."""
    if _ALL:
        os.sched_setaffinity(0, {sorted(_ALL)[int(_WORKER.removeprefix("gw")) % len(_ALL)]})


def leave() -> None:
    """Be on all that the first process of the tests has."""
    if _ALL:
        os.sched_setaffinity(0, _ALL)


take()
