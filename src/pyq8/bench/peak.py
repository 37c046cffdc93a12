"""The INT8 peak: the highest rate that ONNX Runtime reaches on this CPU, on single operators that fit its caches.

uint8 x int8 convolutions and matrix products, as a quantized model has them. The fastest call of the best shape
counts: a peak is what nothing disturbed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from pyq8.runtime.sessions import session
from pyq8.types import Array

if TYPE_CHECKING:
    import onnx

SECONDS = 0.3
"""Of every shape at most."""
CONVOLUTIONS = ((128, 28), (256, 14), (256, 28))
"""(channels, pixels) of 3x3 convolutions; as many rows of pixels more as there are threads."""
PRODUCTS = ((392, 2048, 384), (784, 1024, 256))
"""(M, K, N) of A[M, K] @ B[K, N]; M times the threads."""


def measure_peak(threads: int, seconds: float) -> float:
    """The peak in G-operations/s; a multiply-add is two.

    Args:
        threads: of an operator.
        seconds: to run each of the shapes, at most SECONDS.
    """
    rng = np.random.default_rng(0)
    seconds = min(seconds, SECONDS)
    models = [_convolution(rng, channels, pixels, threads) for channels, pixels in CONVOLUTIONS]
    models += [_product(rng, m * threads, k, n) for m, k, n in PRODUCTS]
    return max(2e-9 * macs / _fastest(model, x, threads, seconds) for model, x, macs in models)


def _fastest(model: onnx.ModelProto, x: Array, threads: int, seconds: float) -> float:
    """Seconds of the fastest call, the first one apart."""
    run = session(model.SerializeToString(), threads=threads).run
    run(None, {"x": x})
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        run(None, {"x": x})
        best = min(best, time.perf_counter() - start)
    return best


def _convolution(
    rng: np.random.Generator, channels: int, pixels: int, threads: int
) -> tuple[onnx.ModelProto, Array, int]:
    x = rng.integers(0, 256, (1, channels, pixels * threads, pixels), dtype=np.uint8)
    w = rng.integers(-64, 65, (channels, channels, 3, 3)).astype(np.int8)
    text = "QLinearConv <pads = [1, 1, 1, 1]> (x, s, z, w, s, wz, s, z)"
    return _model(text, x, w), x, w.size * x.size // channels


def _product(rng: np.random.Generator, m: int, k: int, n: int) -> tuple[onnx.ModelProto, Array, int]:
    x = rng.integers(0, 256, (m, k), dtype=np.uint8)
    return _model("MatMulInteger (x, w, z, wz)", x, w := rng.integers(-64, 65, (k, n)).astype(np.int8)), x, m * w.size


def _model(node: str, x: Array, w: Array) -> onnx.ModelProto:
    from onnx import numpy_helper, parser

    out = "uint8[N, C, H, W]" if x.ndim == 4 else "int32[M, N]"
    shape = ", ".join(map(str, x.shape))
    graph = f"g (uint8[{shape}] x) => ({out} y) {{ y = {node} }}"
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {graph}')
    constants = {"w": w, "s": np.float32(0.02), "z": np.uint8(128), "wz": np.int8(0)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    return model
