"""The data caches of this processor, csrc/common/caches.h, and what the blocking of INT8 layers makes of them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pyq8.kernels.arguments import compiled


@dataclass(frozen=True)
class Cache:
    """A data cache as CPUID describes it.

    Args:
        bytes: its size; 0 where the processor does not say.
        threads: of the processor, that share it. A virtual machine counts its own and shows the host's size.
    """

    bytes: int
    threads: int


@dataclass(frozen=True)
class Machine:
    """What a core counts on.

    Args:
        l2, l3: bytes of the second and of its share of the third cache; never more or less than is plausible.
    """

    l2: int
    l3: int


def caches() -> tuple[Cache, Cache, Cache]:
    """L1d, L2 and L3."""
    found = np.zeros(6, np.int64)
    ask = compiled().pyq8_caches
    ask.argtypes, ask.restype = [ctypes.c_void_p], None
    ask(found.ctypes.data)
    l1, l2, l3 = (Cache(int(size), int(threads)) for size, threads in found.reshape(3, 2))
    return l1, l2, l3


def machine_of(l1: Cache, l2: Cache, l3: Cache) -> Machine:
    """Of a processor with these caches."""
    said = np.array([number for cache in (l1, l2, l3) for number in (cache.bytes, cache.threads)], np.int64)
    found = np.zeros(2, np.int64)
    ask = compiled().pyq8_machine_of
    ask.argtypes, ask.restype = [ctypes.c_void_p] * 2, None
    ask(said.ctypes.data, found.ctypes.data)
    return Machine(*map(int, found))


@contextmanager
def pretend(machine: Machine) -> Iterator[None]:
    """Block layers as for another machine meanwhile: for tests and trials."""
    change = compiled().pyq8_set_machine
    change.argtypes, change.restype = [ctypes.c_int64] * 2, None
    change(machine.l2, machine.l3)
    try:
        yield
    finally:
        change(0, 0)


def describe() -> str:
    """One line: the caches, and what a core counts on."""
    found = caches()
    texts = [
        f"{name} {_size(cache.bytes)}" + (f" for {cache.threads} threads" if cache.threads > 1 else "")
        for name, cache in zip(("L1d", "L2", "L3"), found, strict=True)
        if cache.bytes
    ]
    if not texts:
        texts = ["caches unknown"]
    machine = machine_of(*found)
    return f"{', '.join(texts)}; blocking for {_size(machine.l2)} of L2 and {_size(machine.l3)} of L3 a core"


def to_json() -> dict[str, object]:
    """The same for `--json`; null where the processor does not say."""
    found = caches()
    machine = machine_of(*found)
    rows = {
        name: {"bytes": cache.bytes, "threads": cache.threads} if cache.bytes else None
        for name, cache in zip(("l1d", "l2", "l3"), found, strict=True)
    }
    return {"caches": rows, "blocking": {"l2": machine.l2, "l3": machine.l3}}


def _size(size: int) -> str:
    return f"{size / 2**20:.4g} MiB" if size >= 2**20 else f"{size / 2**10:.4g} KiB"
