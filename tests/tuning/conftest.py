"""The two networks that are tuned, and what is known of the small one before a search."""

from __future__ import annotations

import pytest

from pyq8.groundwork import Clock, Groundwork, lay_groundwork
from pyq8.loaders import Images
from pyq8.types import Config
from tests.tuning.spread_net import SpreadNet, write


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SpreadNet:
    """Four blocks, the third of them bad."""
    return write(tmp_path_factory.mktemp("small"), blocks=4, spread=(2,), images=100)


@pytest.fixture(scope="session")
def base(small: SpreadNet) -> Groundwork:
    return lay_groundwork(small.model, Images(small.calib), Config(), pixels=None, progress=None, clock=Clock())
