"""What this machine is: its name, its INT8 instructions, its cores, and the memory we took."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pyq8 import compiled

FLAGS = {
    "avx2": {"avx2", "fma"},
    "avx_vnni": {"avx_vnni"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "avx512_vnni": {"avx512_vnni"},
    "amx_int8": {"amx_tile", "amx_int8"},
}
"""Our name -> the flags of /proc/cpuinfo that it takes; csrc/common/cpu.cc asks the processor for the same."""


@dataclass(frozen=True)
class CpuClass:
    """What processors of a kind have in common.

    Attributes:
        name: as DESIGN and the documents spell it.
        needs: of `FLAGS`.
        saturates: ONNX Runtime adds pairs of u8 x s8 products in 16 bits, which holds no two of 255 * 127.
        kernels: the best of ours that run there; csrc/common/isas.h has all of them.
    """

    name: str
    needs: frozenset[str]
    saturates: bool
    kernels: str


CLASSES = tuple(
    CpuClass(name, frozenset(needs.split()), saturates, kernels)
    for name, needs, saturates, kernels in (
        ("amx", "amx_int8 avx512_vnni", False, "vnni"),
        ("avx512_vnni", "avx512_vnni", False, "vnni"),
        ("avx_vnni", "avx2 avx_vnni", False, "avx_vnni"),
        ("avx512", "avx2 avx512", True, "avx512"),
        ("avx2", "avx2", True, "avx2"),
        ("sse", "", True, "scalar"),
    )
)
"""The kinds of x86 processors, best first: a processor is of the first of which it has all."""
OTHER = CpuClass("other", frozenset(), saturates=False, kernels="scalar")
"""No x86 at all: ONNX Runtime's kernels there do not saturate."""

_share: int | None = None


def cpu_name() -> str:
    """The processor's name, or its architecture where it does not say."""
    library, _ = compiled.load()
    own = _text(library.pyq8_cpu_name) if library else ""
    return own or _field("model name") or platform.processor() or platform.machine()


def isa() -> frozenset[str]:
    """Those of `FLAGS` that the processor has.

    The compiled library asks it; where there is none, /proc/cpuinfo does, which is the host's in an emulator, and
    nothing on any other system than Linux.
    """
    library, _ = compiled.load()
    if library is not None:
        return frozenset(_text(library.pyq8_cpu_instructions).split())
    flags = set((_field("flags") or "").split())
    return frozenset(name for name, needed in FLAGS.items() if needed <= flags)


def cpu_class() -> CpuClass:
    """The row of `CLASSES` that the processor is of."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return OTHER
    found = isa()
    return next(row for row in CLASSES if row.needs <= found)


def has_vnni() -> bool:
    """Whether u8 x s8 products are summed in 32 bits; without, pairs of them saturate in 16."""
    return not cpu_class().saturates


def physical_cores() -> int:
    """Physical cores this process may run on: its affinity and its container's quota, without SMT."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    cores = set()
    for block in _cpuinfo().split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        field = {key.strip(): value.strip() for key, _, value in pairs}
        if "core id" in field and int(field["processor"]) in allowed:
            cores.add((field.get("physical id"), field["core id"]))
    return max(1, min(len(cores) or len(allowed), _quota() or len(allowed)))


def take_share(cores: int) -> None:
    """Tell this process that others compute on the same machine, and how many cores are for it."""
    global _share
    _share = cores


def share() -> int:
    """Cores that this process should keep busy with work of which the result does not depend on them."""
    return min(_share or physical_cores(), physical_cores())


def describe() -> str:
    """One line: name, cores, instructions."""
    cores = physical_cores()
    names = ", ".join(sorted(isa())) or "no INT8 instructions known"
    return f"{cpu_name()}, {cores} core{'s' if cores > 1 else ''}, {names}"


def peak_rss_mib() -> float:
    """The most memory this process ever had resident, in MiB.

    VmHWM on Linux, because getrusage hands a child the peak of the parent that started it; elsewhere
    getrusage, in bytes on macOS and KiB on others.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024
    except (OSError, StopIteration):
        import resource  # not on Windows

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)


@cache
def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _field(name: str) -> str | None:
    for line in _cpuinfo().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _text(function: Callable[[], Any]) -> str:
    """What a function of the library says, its runs of blanks as one."""
    function.restype = ctypes.c_char_p  # type: ignore[attr-defined]
    return " ".join(function().decode("ascii", "replace").split())


def _quota() -> int | None:
    """Whole CPUs that the control group (v2) grants, None without a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None
