"""What importing pyq8.dfp costs, and what it says without torch."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from pyq8 import dfp
from pyq8.errors import UsageError


def test_the_numbers_need_no_torch() -> None:
    code = "import sys; from pyq8 import dfp; dfp.quantize; dfp.Bits(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["convert", "revert", "summary"])
def test_without_torch_the_extra_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [m for m in sys.modules if m.startswith("pyq8.dfp.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch", None)  # what import finds where there is none
    monkeypatch.delitem(vars(dfp), name, raising=False)
    with pytest.raises(UsageError, match=rf"pyq8\.dfp\.{name} needs torch; pip install 'pyq8\[train\]'"):
        getattr(dfp, name)


def test_every_public_name_is_there() -> None:
    for name in dfp.__all__:
        assert callable(getattr(importlib.import_module("pyq8.dfp"), name))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = dfp.nonsense
