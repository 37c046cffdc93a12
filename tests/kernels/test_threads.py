"""Threads of our own: a parallel loop does not wait for one that others keep from working."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pyq8 import kernels

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")

STARVED = """
import os, statistics, subprocess, sys, time
import numpy as np
from pyq8 import kernels

first, second = sorted(os.sched_getaffinity(0))[:2]
x = np.ones(2**18, np.float32)

def usual():
    times = []
    for _ in range(100):
        begin = time.perf_counter()
        kernels.absmax(x)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)

os.sched_setaffinity(0, {second})
kernels.set_threads(1)
alone = usual()
tasks = set(os.listdir("/proc/self/task"))
kernels.set_threads(4)
kernels.absmax(x)
workers = [int(task) for task in set(os.listdir("/proc/self/task")) - tasks]
busy = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=lambda: os.sched_setaffinity(0, {first}))
try:
    for worker in workers:
        os.sched_setaffinity(worker, {first})
        os.sched_setscheduler(worker, os.SCHED_IDLE, os.sched_param(0))
    time.sleep(0.2)
    print(len(workers), usual() / alone)
finally:
    busy.kill()
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux lets us keep threads from working")
def test_workers_without_a_core_are_not_waited_for() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core")
    done = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, check=True)
    workers, slower = done.stdout.split()
    assert int(workers) == 3
    assert float(slower) < 20  # hundreds, where a loop ends when every worker has seen it
