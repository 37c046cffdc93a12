from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyq8 import cpu, kernels


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    yield
    kernels.set_threads(cpu.physical_cores())


@pytest.fixture(autouse=True)
def cores(every_core: None) -> None:
    """For as many threads."""
