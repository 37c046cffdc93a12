"""How much memory quantizing takes, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper

LAYERS, CHANNELS = 5, 2048
CODE = """
import sys
import numpy as np
import pyq8, pyq8.api
from pyq8 import cpu
before = cpu.peak_rss_mib()
x = np.random.default_rng(0).standard_normal((4, 2048, 2, 2)).astype(np.float32)
pyq8.quantize(sys.argv[1], [{"a0": x}], effort="fast").save(sys.argv[1] + ".int8.onnx")
print(cpu.peak_rss_mib() - before)
"""


def test_memory_stays_within_a_few_times_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    body = " ".join(f"a{i + 1} = Conv(a{i}, w{i})" for i in range(LAYERS))
    graph = f"g (float[N,2048,2,2] a0) => (float[N,2048,2,2] a{LAYERS}) {{ {body} }}"
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {graph}')
    rng = np.random.default_rng(0)
    for i in range(LAYERS):
        w = rng.standard_normal((CHANNELS, CHANNELS, 1, 1)).astype(np.float32) / 45
        proto.graph.initializer.append(numpy_helper.from_array(w, f"w{i}"))
    onnx.save(proto, path)

    child = subprocess.run([sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True)

    assert float(child.stdout.split()[-1]) < 5 * LAYERS * CHANNELS**2 * 4 / 2**20
