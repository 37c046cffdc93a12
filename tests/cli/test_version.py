"""pyq8 --version says what computes, and on what."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata

import pytest

import pyq8
from pyq8 import cpu, kernels
from pyq8.cli import main
from tests.cli.run import run

pytestmark = pytest.mark.cpu


def test_versions_cpu_instructions_and_kernels() -> None:
    code, text, error = run("--version")
    assert (code, error) == (0, "")
    first, versions, processor, sums, compiled = text.splitlines()
    assert first == f"pyq8 {pyq8.__version__}"
    for name in ("onnxruntime", "onnx", "numpy"):
        assert f"{name} {metadata.version(name)}" in versions
    assert f"Python {platform.python_version()}" in versions
    assert processor == f"CPU: {cpu.describe()}"
    assert ("VNNI" in sums) and ("no VNNI" in sums) == (not cpu.has_vnni())
    assert all(name in compiled for name in kernels.isas() or ["none: "])


def test_without_vnni_and_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "isa", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(kernels.library, "load", lambda: (None, "no compiled kernels; install a compiler"))
    text = run("--version")[1]
    assert "INT8: sums in 16 bits (no VNNI): weights of which no pair saturates" in text
    assert "\nkernels: none: no compiled kernels; install a compiler" in text


def test_onnxruntime_is_not_imported_for_it() -> None:
    check = (
        "import sys\nfrom pyq8.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "assert not {'onnx', 'onnxruntime', 'onnx_ir', 'PIL', 'torch'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


@pytest.mark.parametrize(("given", "found"), [(None, "1"), ("2", "2")])
def test_threads_of_numpy_are_the_users_to_choose(
    given: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images and layers are computed side by side: more threads in each would only wait for one another."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", given or "")
    if given is None:
        monkeypatch.delenv("OPENBLAS_NUM_THREADS")

    with pytest.raises(SystemExit):
        main(["--help"])

    assert os.environ["OPENBLAS_NUM_THREADS"] == found
