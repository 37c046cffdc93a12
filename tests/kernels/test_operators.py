"""What a caller gets wrong, and a machine without compiled kernels."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pyq8
from pyq8 import kernels
from pyq8.errors import DataError, UsageError

X = np.ones((1, 5, 5, 4), np.int16)
W = np.ones((6, 3, 3, 4), np.int16)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"chain": 3}, "chain of 3 products"),
        ({"chain": 0}, "chain of 0 products"),
        ({"bound": 40_000}, "bound of 40000"),
        ({"groups": 3}, "4 input and 6 output channels do not divide into 3 groups"),
        ({"stride": (0, 1)}, "stride"),
        ({"dilation": (3, 3)}, "3 x 3 kernel does not fit 5 x 5 pixels"),
    ],
)
def test_sizes_that_do_not_fit_are_named(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        kernels.conv_forward(X, W, scale=1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "w", "says"),
    [
        (X.astype(np.int32), W, "x is int32"),
        (X[0], W, r"x of shape \[5, 5, 4\]"),
        (X, W[..., :2], r"w is int16 \[6, 3, 3, 2\]: it takes int16 \[6, 3, 3, 4\]"),
        (X.transpose(0, 2, 1, 3), W, "x is not C-contiguous"),
    ],
)
def test_arrays_that_do_not_fit_are_named(x: np.ndarray, w: np.ndarray, says: str) -> None:
    with pytest.raises(DataError, match=says):
        kernels.conv_forward(x, w, scale=1)


def test_bias_and_out_are_checked_too() -> None:
    with pytest.raises(DataError, match=r"bias is float32 \[5\]: it takes float32 \[6\]"):
        kernels.conv_forward(X, W, scale=1, bias=np.zeros(5, np.float32))
    with pytest.raises(DataError, match="out is float64"):
        kernels.conv_forward(X, W, scale=1, out=np.zeros((1, 3, 3, 6)))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="dy is int16"):
        kernels.conv_backward_data(X, W, scale=1, input_hw=(5, 5))
    with pytest.raises(DataError, match="dy is int16"):
        kernels.conv_backward_weight(X, X, scale=1, kernel_hw=(3, 3))


def test_the_number_without_a_negative_is_refused() -> None:
    x = X.copy()
    x[0, 1, 2, 3] = -32768
    with pytest.raises(DataError, match="a mantissa is -32768"):
        kernels.conv_forward(x, W, scale=1)


def test_threads_are_at_least_one() -> None:
    with pytest.raises(UsageError, match="0 threads"):
        kernels.set_threads(0)


def test_an_unknown_instruction_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYQ8_ISA", "amx")
    with pytest.raises(UsageError, match=r"PYQ8_ISA=amx: this build and CPU have .*reference"):
        kernels.absmax(np.zeros(3, np.float32))


def test_an_installed_pyq8_has_its_kernels_where_there_is_a_compiler() -> None:
    if "site-packages" in str(pyq8.__file__) and shutil.which("c++"):
        assert kernels.available(), kernels.reason()


def test_without_compiled_kernels_the_reference_runs_and_the_reason_is_told(tmp_path: Path) -> None:
    shutil.copytree(
        Path(pyq8.__file__).parent, tmp_path / "pyq8", ignore=shutil.ignore_patterns("*.so", "__pycache__", "_calib*")
    )
    code = """
import numpy as np
from pyq8 import kernels
assert kernels.isas() == () and not kernels.available()
assert kernels.gemm(np.ones((2, 3), np.int16), np.ones((4, 3), np.int16), scale=2)[1] == 6
assert kernels.quantize(np.float32([[1.5]]), 0, 8).tolist() == [[2]]
kernels.set_threads(2)
print(kernels.reason())
"""
    environment = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "no compiled kernels; install a C++17 compiler and reinstall pyq8\n"
