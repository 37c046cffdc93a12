"""One task over many items: in order, bounded, the same on any executor."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.errors import DataError, WorkerError
from pyq8.types import Array
from pyq8.workers import spread as module
from pyq8.workers.spread import Sessions, spread
from tests.small_models import parse

IMAGES = np.random.default_rng(0).standard_normal((21, 3, 6, 6)).astype(np.float32)


@pytest.fixture
def model() -> ir.Model:
    return parse("g (float[N, 3, 6, 6] x) => (float[N, 4, 6, 6] y) { y = Conv(x, w) }", {"w": (4, 3, 1, 1)})


def run(sessions: Sessions, x: Array) -> list[Array]:
    time.sleep(float(abs(x[0, 0, 0, 0])) / 500)  # so that they do not end in order by chance
    return list(sessions[0].run(None, {"x": x}))


def refuse(sessions: Sessions, x: Array) -> list[Array]:
    if np.array_equal(x, IMAGES[13:14]):
        raise DataError("image 13: cannot be")
    return run(sessions, x)


def die(_: Sessions, _x: Array) -> list[Array]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def over(executor: Executor | None, model: ir.Model) -> tuple[list[int], Array]:
    found = list(spread(executor, [model], run, ((i, IMAGES[i : i + 1]) for i in range(len(IMAGES)))))
    return [i for kept, _ in found for i in kept], np.concatenate([y for _, ys in found for y in ys])


def test_results_come_in_the_order_of_the_items(model: ir.Model) -> None:
    order, alone = over(None, model)
    with ThreadPoolExecutor(3) as threads:
        again, together = over(threads, model)

    assert order == again == list(range(21))
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize(("size", "lengths"), [(1, [8, 8, 5]), (2**20, [4, 4, 4, 4, 4, 1]), (2**23, [1] * 21)])
def test_chunks_are_bounded_in_items_and_bytes(size: int, lengths: list[int]) -> None:
    items = ((i, {"x": np.zeros(size, np.uint8)}) for i in range(21))

    assert [len(kept) for kept, _ in module._chunks(items, module.CHUNK_ITEMS)] == lengths


@pytest.mark.parametrize("threads", [False, True])
def test_no_more_items_are_taken_than_are_under_way(
    model: ir.Model, monkeypatch: pytest.MonkeyPatch, threads: bool
) -> None:
    monkeypatch.setattr(module, "AHEAD", 2)
    taken = 0

    def items() -> Iterator[tuple[None, Array]]:
        nonlocal taken
        for i in range(1000):
            taken += 1
            yield None, IMAGES[i % 21 :][:1]

    with ThreadPoolExecutor(2) as pool:
        results = spread(pool if threads else None, [model], run, items())
        next(results)
        most = 3 * module.CHUNK_ITEMS + 1 if threads else module.SIDE + 1
        assert taken <= most
        results.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor(2)])
def test_an_error_of_the_task_is_the_callers(executor: Executor | None, model: ir.Model) -> None:
    with pytest.raises(DataError, match="image 13: cannot be"):
        list(spread(executor, [model], refuse, ((i, IMAGES[i : i + 1]) for i in range(21))))


def test_a_broken_executor_is_one_line(model: ir.Model) -> None:
    import multiprocessing

    with (
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
        pytest.raises(WorkerError, match=r"lost its workers \(BrokenProcessPool\).*pyq8.Workers"),
    ):
        list(spread(pool, [model], partial(die), ((i, IMAGES[i : i + 1]) for i in range(21))))


def test_no_session_stays_in_this_process(model: ir.Model) -> None:
    from pyq8.workers.sources import _sessions

    with ThreadPoolExecutor(2) as threads:
        over(threads, model)

    assert not _sessions
