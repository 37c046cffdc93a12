from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def cores(every_core: None) -> None:
    """Images are spread over all of them."""
