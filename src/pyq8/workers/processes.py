"""Worker processes that are replaced when one ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, TypeVar

from pyq8 import cpu
from pyq8.errors import UsageError, WorkerError

T = TypeVar("T")

TRIES = 3
"""How often a task may lose its worker."""
GRACE = 5.0
"""Seconds that a worker has to break off."""


class Workers(Executor):
    """Processes on this machine, for `quantize`, `check` and `tune`; use it in a `with`.

    A worker that is killed, or that runs out of memory, loses nothing: its task is given to a new one. Tasks must
    therefore be idempotent. An error or Ctrl-C inside the `with` ends all workers at once, and when this process ends,
    however that may be, so do they.

    Each slot is a thread that hands tasks to a pool of one process: a process that ends takes no other's task with it.

    Args:
        count: how many. They share the cores: each computes `threads` images side by side.

    Raises:
        UsageError: count is below 1.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise UsageError(f"{count} workers; at least 1 is needed")
        self.count = count
        self.threads = max(1, cpu.physical_cores() // count)
        resource_tracker.ensure_running()  # where a slot starts it, it undoes `_leave_interrupts`
        self._slots = ThreadPoolExecutor(count, thread_name_prefix="pyq8-worker", initializer=_leave_interrupts)
        self._own = threading.local()
        self._pools: list[ProcessPoolExecutor] = []
        self._lock = threading.Lock()
        self._killed = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See `concurrent.futures.Executor.submit`. The future raises WorkerError after TRIES lost workers."""
        return self._slots.submit(self._run, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers behind their last task."""
        self._slots.shutdown(wait, cancel_futures=cancel_futures)
        for pool in self._pools:
            pool.shutdown(wait)

    def kill(self) -> None:
        """End the workers now: what they do is broken off, their temporary files are removed."""
        self._slots.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._killed = True
            processes = [p for pool in self._pools for p in (pool._processes or {}).values()]
        for process in processes:
            process.terminate()

        def insist() -> None:
            for process in processes:
                process.kill()

        last = threading.Timer(GRACE, insist)
        last.start()
        self.shutdown()
        last.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.shutdown()
        else:
            self.kill()

    def _run(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        for _ in range(TRIES):
            with suppress(BrokenProcessPool):
                return self._submit(fn, args, kwargs).result()
            with self._lock:
                self._pools.remove(self._own.pool)
            self._own.pool.shutdown()
            self._own.pool = None
        raise WorkerError(
            f"a worker process ended {TRIES} times over the same task, killed or out of memory; "
            "use fewer workers, or run without them to see why"
        )

    def _submit(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future[T]:
        """Into the process of this thread, which is started where there is none."""
        with self._lock:
            if self._killed:
                raise WorkerError("the workers were ended")
            if getattr(self._own, "pool", None) is None:
                spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
                self._own.pool = ProcessPoolExecutor(1, spawn, _begin, (self.threads,))
                self._pools.append(self._own.pool)
            pool: ProcessPoolExecutor = self._own.pool
            return pool.submit(fn, *args, **kwargs)


def _leave_interrupts() -> None:
    """Ctrl-C is for the main thread; processes that this thread starts inherit that they are not asked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _begin(threads: int) -> None:
    """In a new worker: take a share of the cores, and end with the parent even where that is killed."""
    cpu.take_share(threads)

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would interrupt what the first one began
        sys.exit(1)  # by way of whatever removes temporary files

    signal.signal(signal.SIGTERM, end)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
