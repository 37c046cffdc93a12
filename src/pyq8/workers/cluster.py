"""A Dask cluster as an executor."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from pyq8.errors import UsageError, WorkerError
from pyq8.runtime.environment import environment
from pyq8.workers.sources import Source

TIMEOUT = 10.0
"""Seconds within which the scheduler must answer and a worker be there."""


@contextmanager
def dask_cluster(address: str) -> Iterator[Executor]:
    """The workers of a Dask scheduler; each computes as many images at a time as it has threads.

    Dask itself computes again what a lost worker had, three times at most.

    Args:
        address: of the scheduler, "tcp://host:8786".

    Raises:
        UsageError: dask is not installed.
        WorkerError: the scheduler does not answer, it has no workers, or they have other versions.
    """
    try:
        dask, distributed = import_module("dask"), import_module("distributed")
    except ImportError:
        raise UsageError("--dask: needs dask[distributed]; pip install 'pyq8[distributed]'") from None
    # models are sent once, larger than what Dask takes for a mistake
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TiB"}):
        try:
            import_module("distributed.comm").resolve_address(address)  # a client waits for what has none
            client = distributed.Client(address, timeout=TIMEOUT, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise WorkerError(
                f"--dask {address}: no scheduler answers ({reason}); start one with dask scheduler"
            ) from None
        with client:
            _check(client, address)
            yield client.get_executor(pure=False)


def is_dask(executor: Executor) -> bool:
    """Whether an executor is that of a Dask client."""
    return type(executor).__module__.startswith("distributed.")


def send(executor: Any, source: Source) -> Any:
    """A model as an argument of tasks: sent once, then handed from worker to worker.

    A task and not scattered: what is lost with all workers that had it is there again.

    Args:
        executor: of a Dask client.
        source: packed.
    """
    return executor._client.submit(_keep, source, pure=False)


def is_lost(error: BaseException) -> bool:
    """Whether Dask gave a task up."""
    return type(error).__name__ in ("KilledWorker", "FutureCancelledError")


def _keep(source: Source) -> Source:
    return source


def _check(client: Any, address: str) -> None:
    """Other versions compute other bits.

    Raises:
        WorkerError: there are no workers, or one has other versions.
    """
    try:
        client.wait_for_workers(1, timeout=TIMEOUT)
    except TimeoutError:
        raise WorkerError(f"--dask {address}: has no workers; start some with dask worker {address}") from None
    here = environment()["versions"]
    for worker, found in client.run(_versions, on_error="return").items():
        if isinstance(found, BaseException):
            raise WorkerError(f"worker {worker}: cannot import pyq8 ({found}); install pyq8 {here['pyq8']} there")
        other = next((name for name in here if found[name] != here[name]), None)
        if other is not None:
            raise WorkerError(f"worker {worker}: has {other} {found[other]}, here is {here[other]}; install the same")


def _versions() -> dict[str, str]:
    versions: dict[str, str] = environment()["versions"]
    return versions
