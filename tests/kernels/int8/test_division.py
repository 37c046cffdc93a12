"""How the work of a region is divided: no thread waits long, on any number of cores, alike or not."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest

from pyq8 import cpu, kernels
from pyq8.kernels.int8 import Loop, Region
from pyq8.kernels.machine import Machine, pretend
from tests.kernels.int8.networks import NETWORKS
from tests.kernels.int8.regions import random_region

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
SERVER = Machine(l2=2**20, l3=4 * 2**20)
WORTH_ALL = 8_000_000
"""Multiply-adds of every thread, some 25 us: a layer with less may use fewer threads than there are."""
BEST = kernels.isas()[0] if kernels.isas() else ""


@cache
def made(network: str, isa: str = BEST) -> tuple[Region, tuple[int, int, int]]:
    net = NETWORKS[network]()
    return Region(isa, *net.spec.numbers(), net.spec.constants.blob()), net.shape


def divided(network: str, batch: int, threads: int, isa: str = BEST) -> list[Loop]:
    region, shape = made(network, isa)
    with pretend(SERVER):
        return region.division([(batch, *shape)], threads)


def seconds(loop: Loop, speeds: Iterable[float]) -> float:
    """Until the last thread is done: each takes the next piece when it is done with one."""
    free = [(0.0, speed) for speed in speeds]
    for cost in loop.costs:
        time, speed = heapq.heappop(free)
        heapq.heappush(free, (time + cost / speed, speed))
    return max(free)[0]


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("isa", kernels.isas())
def test_no_thread_waits_long(isa: str, network: str, batch: int) -> None:
    for threads in range(1, 33):
        loops = divided(network, batch, threads, isa)
        work = spent = 0.0
        for loop in loops:
            time, mean = seconds(loop, [1.0] * threads), sum(loop.costs) / threads
            work, spent = work + mean, spent + time
            assert mean < WORTH_ALL or 1 - mean / time <= 0.1, f"layers {loop.layers}, {threads} threads"
        assert 1 - work / spent < 0.1, f"{threads} threads"


@pytest.mark.parametrize("network", NETWORKS)
def test_slow_cores_do_less(network: str) -> None:
    """Every second core is half as fast: with equal shares a third of the time would pass waiting for them."""
    for threads in (2, 4, 8, 16):
        speeds = [1.0, 0.5] * (threads // 2)
        loops = divided(network, 16, threads)
        work = sum(sum(loop.costs) for loop in loops) / sum(speeds)
        assert 1 - work / sum(seconds(loop, speeds) for loop in loops) < 0.1


def test_every_layer_is_computed_for_every_image() -> None:
    region, shape = made("resnet50")
    for machine in (SERVER, Machine(2**18, 0)):
        with pretend(machine):
            loops = [region.division([(batch, *shape)], 4) for batch in (1, 16)]
        works = [sum(sum(loop.costs) for loop in each) for each in loops]
        assert {layer for loop in loops[0] for layer in loop.layers} == set(
            range(len(NETWORKS["resnet50"]().spec.layers))
        )
        assert works[1] == pytest.approx(16 * works[0], rel=0.1)  # what beginning a tile costs depends on the division


def test_images_are_as_many_at_once_as_the_caches_hold() -> None:
    region, shape = made("efficientnet_lite0")

    def passes(machine: Machine, threads: int) -> int:
        with pretend(machine):
            return sum(0 in loop.layers for loop in region.division([(16, *shape)], threads))

    assert passes(Machine(2**30, 0), 1) == 1
    assert passes(SERVER, 1) > passes(SERVER, 2) > passes(SERVER, 8) == 1
    assert passes(Machine(1, 0), 1) == 16


def test_neither_threads_nor_caches_change_a_byte() -> None:
    rng = np.random.default_rng(7)
    try:
        for _ in range(40):
            region = random_region(rng)
            inputs = region.feed(rng, 5)
            call = Region(BEST, *region.spec.numbers(), region.spec.constants.blob())
            results = []
            for threads, machine in ((1, SERVER), (3, SERVER), (2, Machine(1, 0)), (32, Machine(2**30, 0))):
                kernels.set_threads(threads)
                outputs = [np.zeros(5 * 200_000, np.float32) for _ in region.spec.layers]
                with pretend(machine):
                    call.run(inputs, outputs)
                results.append([output.tobytes() for output in outputs])
            assert all(result == results[0] for result in results)
    finally:
        kernels.set_threads(cpu.physical_cores())
