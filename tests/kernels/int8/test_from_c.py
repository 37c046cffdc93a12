"""The library works from C as from Python: it is all that a program in another language needs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from pyq8 import kernels
from pyq8.kernels import library
from pyq8.rewrite import rewrite
from pyq8.runtime.sessions import session
from tests.small_models import WEIGHTS, parse, quantized

COMPILER = shutil.which("cc")
TEXT = "g (float[N, 8, H, W] x) => (float[N, 16, I, J] y) { [a] y = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) }"


@pytest.mark.skipif(not kernels.available() or COMPILER is None, reason="no kernels or no C compiler")
def test_a_program_in_c(tmp_path: Path) -> None:
    x = (np.arange(8 * 11 * 13) % 7 - 3).astype(np.float32).reshape(1, 8, 11, 13)
    case = quantized(parse(TEXT, {k: WEIGHTS[k] for k in ("w1", "b1")}), feeds=[{"x": x}])
    ir.save(rewrite(case.model, case.plan, "pyq8"), tmp_path / "model.onnx")
    source, program = Path(__file__).with_name("from_c.c"), tmp_path / "program"
    subprocess.run([str(COMPILER), source, "-o", program, "-ldl"], check=True)
    (runtime,) = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so*")

    done = subprocess.run(
        [program, runtime, str(library.path()), tmp_path / "model.onnx"], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    (expected,) = session(tmp_path / "model.onnx", spin=False).run(None, {"x": x})
    np.testing.assert_array_equal(np.array(done.stdout.split(), np.float32), expected.ravel())
