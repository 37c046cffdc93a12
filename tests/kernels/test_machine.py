"""What a core counts on: of caches as processors describe them, and as virtual machines do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest

from pyq8 import cpu, kernels
from pyq8.kernels.machine import Cache, Machine, caches, machine_of

LINUX = pytest.mark.skipif(not Path("/proc/cpuinfo").exists() or not which("getconf"), reason="Linux with glibc")
pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]
KIB, MIB = 2**10, 2**20


@pytest.mark.parametrize(
    ("l1", "l2", "l3", "core"),
    [
        pytest.param((32, 2), (1024, 2), (32768, 16), (1024, 4096), id="eight cores of two threads share 32 MiB"),
        pytest.param((48, 1), (2048, 1), (266240, 2), (2048, 8192), id="a virtual machine shows the host's L3"),
        pytest.param((32, 1), (4096, 8), (30720, 64), (512, 480), id="a cluster of small cores shares L2"),
        pytest.param((32, 2), (256, 2), (0, 1), (256, 0), id="no L3"),
        pytest.param((32, 1), (128, 1), (2048, 1), (256, 2048), id="a smaller L2 than any of these years"),
        pytest.param((0, 1), (0, 1), (0, 1), (512, 2048), id="an emulator says nothing"),
    ],
)
def test_a_core_has_its_share(
    l1: tuple[int, int], l2: tuple[int, int], l3: tuple[int, int], core: tuple[int, int]
) -> None:
    found = machine_of(*(Cache(KIB * size, threads) for size, threads in (l1, l2, l3)))
    assert found == Machine(KIB * core[0], KIB * core[1])


@LINUX
def test_the_caches_are_those_that_the_system_knows() -> None:
    if cpu.cpu_name() not in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"):
        pytest.skip("emulated: the system is of another processor")
    listed = subprocess.run(["getconf", "-a"], capture_output=True, text=True, check=True).stdout
    sizes = dict(line.split() for line in listed.splitlines() if "CACHE_SIZE" in line and len(line.split()) == 2)
    expected = [int(sizes.get(f"LEVEL{name}_SIZE", 0)) for name in ("1_DCACHE", "2_CACHE")]
    assert [cache.bytes for cache in caches()[:2]] == expected
