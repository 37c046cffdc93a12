"""cpu.py on given /proc/cpuinfo texts and on this machine."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from pyq8 import compiled, cpu, kernels

pytestmark = pytest.mark.cpu

AVX512 = "avx512f avx512bw avx512dq avx512vl"


def pretend(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A machine with this /proc/cpuinfo and without the compiled library."""
    monkeypatch.setattr(cpu, "_cpuinfo", lambda: text)
    monkeypatch.setattr(compiled, "load", lambda: (None, "no compiled kernels"))


X86 = pytest.mark.skipif(cpu.cpu_class() is cpu.OTHER, reason="the classes are those of x86")


@X86
@pytest.mark.parametrize(
    "flags, isa, name, saturates",
    [
        ("sse avx", "", "sse", True),
        ("avx2", "", "sse", True),
        ("avx2 fma", "avx2", "avx2", True),
        (f"avx2 fma {AVX512}", "avx2 avx512", "avx512", True),
        ("avx2 fma avx512f", "avx2", "avx2", True),
        (f"avx2 fma {AVX512} avx512_vnni", "avx2 avx512 avx512_vnni", "avx512_vnni", False),
        ("avx2 fma avx_vnni", "avx2 avx_vnni", "avx_vnni", False),
        (f"avx2 fma {AVX512} avx512_vnni amx_tile amx_int8", "avx2 avx512 avx512_vnni amx_int8", "amx", False),
    ],
)
def test_the_class_is_read_from_the_flags(
    monkeypatch: pytest.MonkeyPatch, flags: str, isa: str, name: str, saturates: bool
) -> None:
    pretend(monkeypatch, f"processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu {flags}\n")

    assert cpu.isa() == set(isa.split())
    assert cpu.cpu_class().name == name
    assert cpu.cpu_class().saturates is saturates
    assert cpu.has_vnni() is not saturates
    assert cpu.cpu_name() == "A CPU"


@X86
def test_our_kernels_are_those_that_the_processor_runs() -> None:
    *found, last = kernels.isas()
    assert kernels.isas()[0] == cpu.cpu_class().kernels
    assert {"avx512_vnni" if name == "vnni" else name for name in found} == cpu.isa() - {"amx_int8"}
    assert last == "scalar"


def test_no_x86_is_a_class_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")

    assert cpu.cpu_class() is cpu.OTHER
    assert not cpu.cpu_class().saturates


def test_without_cpuinfo_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "")

    assert cpu.isa() == frozenset()
    assert cpu.cpu_name()
    assert cpu.physical_cores() >= 1
    assert "no INT8 instructions known" in cpu.describe()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="affinity is Linux")
@pytest.mark.parametrize(
    "allowed, quota, cores",
    [({0, 1, 2, 3}, None, 2), ({0, 2}, None, 1), ({0, 1}, None, 2), ({0, 1, 2, 3}, 1, 1), ({3}, 8, 1)],
)
def test_hyperthreads_affinity_and_quota_limit_the_cores(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], quota: int | None, cores: int
) -> None:
    blocks = [f"processor : {i}\nphysical id : 0\ncore id : {i % 2}\n" for i in range(4)]
    pretend(monkeypatch, "\n".join(blocks))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    monkeypatch.setattr(cpu, "_quota", lambda: quota)

    assert cpu.physical_cores() == cores


def test_describe_is_one_line() -> None:
    assert cpu.cpu_name() in cpu.describe()
    assert "\n" not in cpu.describe()


def test_peak_memory_sees_an_allocation() -> None:
    before = cpu.peak_rss_mib()
    block = np.ones(int(before + 100) * 2**17)

    assert cpu.peak_rss_mib() > before + 50
    del block


def test_a_small_child_of_a_large_process_is_small() -> None:
    block = np.ones(300 * 2**17)
    code = "from pyq8 import cpu; print(cpu.peak_rss_mib())"

    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert float(child.stdout) < 150 < block.nbytes / 2**20
