"""One task over many items, on any executor; results come in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pyq8 import cpu
from pyq8.errors import WorkerError
from pyq8.model.file import save
from pyq8.workers.cluster import is_dask, is_lost, send
from pyq8.workers.processes import Workers
from pyq8.workers.sources import Source

if TYPE_CHECKING:
    import onnx_ir as ir
    import onnxruntime

K = TypeVar("K")
S = TypeVar("S")
R = TypeVar("R")
Sessions = Sequence["onnxruntime.InferenceSession"]

CHUNK_ITEMS, CHUNK_BYTES = 8, 2**22
"""Of a task for an executor: at most so many items, and bytes of arrays, but one item in any case."""
AHEAD = 64
"""Chunks under way at a time on an executor of which the size is not known."""
SIDE = 8
"""Items under way at a time in one process, at most."""


def spread(
    executor: Executor | None,
    models: Sequence[ir.Model],
    task: Callable[[Sessions, S], R],
    items: Iterable[tuple[K, S]],
    merge: Callable[[R, R], R] = add,
) -> Iterator[tuple[list[K], R]]:
    """Compute every item alone, each with one thread, as many side by side as there are workers.

    What is under way is bounded, so items are taken as they are needed. A worker holds a chunk of items, and computes
    one at a time (`Workers`: its share of the cores). Items travel with their task. Models travel to Dask; other
    executors read them from a temporary folder.

    Args:
        executor: None for threads of this process.
        models: the task gets their sessions.
        task: (sessions, item) -> result; it must pickle, where workers are processes.
        items: (what is kept here, the item: arrays in tuples, lists and dicts).
        merge: joins the results of neighbours, in order.

    Yields:
        Of one item or more, in order: what was kept, and their results merged.

    Raises:
        WorkerError: workers ended again and again.
        Pyq8Error: what the task raises.
    """
    with ExitStack() as stack:
        if executor is None:
            most, ahead, submit = 1, _side(), _on_threads(stack, models, task)
        else:
            own = executor if isinstance(executor, Workers) else None
            most, ahead, side = CHUNK_ITEMS, 2 * own.count if own else AHEAD, own.threads if own else 1
            pool, sources = executor, stack.enter_context(_sources(models, executor))

            def submit(chunk: list[S]) -> Future[R]:
                return pool.submit(_work, side, task, merge, chunk, *sources)

        pending: deque[tuple[list[K], Future[R]]] = deque()
        stack.callback(lambda: [future.cancel() for _, future in pending])
        for kept, chunk in _chunks(items, most):
            while len(pending) >= ahead:
                yield _finish(*pending.popleft())
            try:
                pending.append((kept, submit(chunk)))
            except BrokenExecutor as error:
                raise _lost(error) from error
        while pending:
            yield _finish(*pending.popleft())


def _side() -> int:
    return min(SIDE, cpu.share())


def _on_threads(
    stack: ExitStack, models: Sequence[ir.Model], task: Callable[[Sessions, S], R]
) -> Callable[[list[S]], Future[R]]:
    """Threads that share the sessions of this process."""
    from pyq8.runtime.sessions import model_session

    sessions = [model_session(model, threads=1, spin=False) for model in models]
    pool = stack.enter_context(ThreadPoolExecutor(_side()))
    return lambda chunk: pool.submit(task, sessions, chunk[0])


@contextmanager
def _sources(models: Sequence[ir.Model], executor: Executor) -> Iterator[list[Any]]:
    """The models as arguments of `_work`."""
    with TemporaryDirectory(prefix="pyq8-") as folder:
        paths = [Path(folder) / f"{i}.onnx" for i in range(len(models))]
        for model, path in zip(models, paths, strict=True):
            save(model, path)
        sources = [Source(str(path)) for path in paths]
        try:
            yield [send(executor, source.packed()) for source in sources] if is_dask(executor) else sources
        finally:
            for source in sources:
                source.forget()


def _work(
    side: int, task: Callable[[Sessions, S], R], merge: Callable[[R, R], R], chunk: list[S], *sources: Source
) -> R:
    """In a worker: a chunk of items, `side` at a time."""
    sessions = [source.session() for source in sources]
    if side == 1:
        return reduce(merge, (task(sessions, item) for item in chunk))
    with ThreadPoolExecutor(min(side, len(chunk))) as pool:
        return reduce(merge, pool.map(lambda item: task(sessions, item), chunk))


def _chunks(items: Iterable[tuple[K, S]], most: int) -> Iterator[tuple[list[K], list[S]]]:
    kept: list[K] = []
    chunk: list[S] = []
    size = 0
    for keep, item in items:
        more = _bytes(item)
        if chunk and (len(chunk) == most or size + more > CHUNK_BYTES):
            yield kept, chunk
            kept, chunk, size = [], [], 0
        kept.append(keep)
        chunk.append(item)
        size += more
    if chunk:
        yield kept, chunk


def _bytes(item: object) -> int:
    if isinstance(item, np.ndarray):
        return item.nbytes
    parts = item.values() if isinstance(item, Mapping) else item if isinstance(item, list | tuple) else ()
    return sum(map(_bytes, parts))


def _finish(kept: list[K], future: Future[R]) -> tuple[list[K], R]:
    try:
        return kept, future.result()
    except Exception as error:
        if isinstance(error, BrokenExecutor | CancelledError) or is_lost(error):
            raise _lost(error) from error
        raise


def _lost(error: BaseException) -> WorkerError:
    return WorkerError(
        f"the executor lost its workers ({type(error).__name__}), killed or out of memory; "
        "use fewer, or pyq8.Workers, which replaces them"
    )
