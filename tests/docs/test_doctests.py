"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import numpy as np
import pytest

import pyq8

SOURCES = Path(pyq8.__file__).parent
WITH_EXAMPLES = [p for p in sorted(SOURCES.rglob("*.py")) if "\n    >>> " in p.read_text(encoding="utf-8")]


def test_there_are_some() -> None:
    assert len(WITH_EXAMPLES) >= 3


@pytest.mark.parametrize("file", WITH_EXAMPLES, ids=lambda f: f.stem)
def test_examples(file: Path) -> None:
    name = ".".join(("pyq8", *file.relative_to(SOURCES).with_suffix("").parts))
    result = doctest.testmod(importlib.import_module(name), extraglobs={"np": np})
    assert result.attempted
    assert not result.failed
