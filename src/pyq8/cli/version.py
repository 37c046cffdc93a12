"""`pyq8 --version`: what computes, and on what."""

from __future__ import annotations

import platform


def describe() -> str:
    """pyq8 and what it uses, the CPU, and which integer instructions and kernels it has; one line each."""
    from pyq8 import cpu, kernels
    from pyq8.runtime.environment import environment

    versions = environment()["versions"]
    others = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "pyq8")
    sums = "in 32 bits (VNNI)" if cpu.has_vnni() else "in 16 bits (no VNNI): weights of which no pair saturates"
    compiled = f"compiled for {', '.join(kernels.isas())}" if kernels.available() else f"none: {kernels.reason()}"
    return "\n".join(
        (
            f"pyq8 {versions['pyq8']}",
            f"Python {platform.python_version()}, {others}",
            f"CPU: {cpu.describe()}",
            f"INT8: sums {sums}",
            f"kernels: {compiled}",
        )
    )
