"""Regions of QOperator graphs that pyq8 does not write, but that another program may."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pyq8 import kernels
from pyq8.rewrite.region import fuse
from pyq8.rewrite.region.match import obstacle
from pyq8.types import Array

from .region_models import check_same, operators

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]


NUMBERS: dict[str, Array] = {
    "s": np.float32(0.05), "t": np.float32(0.07), "z": np.uint8(3), "p": np.uint8(9), "ws": np.float32(0.01),
    "wz": np.int8(0), "half": np.float32(0.5), "quarter": np.float32(0.25), "tiny": np.float32(1e-38),
    "more": np.array([0, 0, 0, 0, 0, 4, 0, 0]),
}  # fmt: skip
SHAPES = {
    "w": (16, 8, 3, 3), "w1": (16, 8, 1, 1), "w16": (16, 16, 1, 1), "w20": (16, 20, 3, 3), "fc": (256, 10),
    "long": (70000, 3),
}  # fmt: skip
OUT = "uint8[N, 16, 4, 4] y"
CONV8 = "[e] y = QLinearConv(x, s, z, w, ws, wz, s, z)"
RAW = {
    # body, outputs, values inside and their shapes, how many regions, reason that one stays outside
    "DequantizeLinear and QuantizeLinear": (
        "[c] a = QLinearConv(x, s, z, w, ws, wz, s, z) [d] f = DequantizeLinear(a, s, z) "
        "[q] b = QuantizeLinear(f, t, p) [e] y = QLinearConv(b, t, p, w16, ws, wz, s, z)",
        OUT, "uint8[N, 16, 4, 4] a, float[N, 16, 4, 4] f, uint8[N, 16, 4, 4] b", 2, "",
    ),
    "QGemm with alpha behind an image": (
        "[c] a = QLinearConv(x, s, z, w, ws, wz, s, z) [f] f = Flatten(a) "
        "[m] y = com.microsoft.QGemm<alpha = 2.0>(f, s, z, fc, ws, wz)",
        "float[N, 10] y", "uint8[N, 16, 4, 4] a, uint8[N, 256] f", 1, "alpha",
    ),
    "QGemm to uint8": (
        "[c] a = QLinearConv(x, s, z, w, ws, wz, s, z) [f] f = Flatten(a) "
        "[m] y = com.microsoft.QGemm(f, s, z, fc, ws, wz, , t, p)",
        "uint8[N, 10] y", "uint8[N, 16, 4, 4] a, uint8[N, 256] f", 1, "",
    ),
    "Flatten at the end": (
        "[c] a = QLinearConv(x, s, z, w, ws, wz, s, z) "
        "[g] g = com.microsoft.QLinearGlobalAveragePool(a, s, z, t, p) [f] y = Flatten(g)",
        "uint8[N, 16] y", "uint8[N, 16, 4, 4] a, uint8[N, 16, 1, 1] g", 1, "",
    ),
    "Pad of channels": (
        "[c] a = QLinearConv(x, s, z, w1, ws, wz, s, z) [p] b = Pad(a, more, z) "
        "[e] y = QLinearConv(b, s, z, w20, ws, wz, s, z)",
        OUT, "uint8[N, 16, 6, 6] a, uint8[N, 20, 6, 6] b", 1, "",
    ),
    "Pad of channels and auto_pad": (
        "[c] a = QLinearConv(x, s, z, w1, ws, wz, s, z) [p] b = Pad(a, more, z) "
        '[e] y = QLinearConv<auto_pad = "SAME_UPPER">(b, s, z, w20, ws, wz, s, z)',
        "uint8[N, 16, 6, 6] y", "uint8[N, 16, 6, 6] a, uint8[N, 20, 6, 6] b", 1, "auto_pad",
    ),
    "an image for all": (
        "[d] a = com.microsoft.QLinearAdd(x, s, z, one, t, p, s, z) [e] y = QLinearConv(a, s, z, w, ws, wz, s, z)",
        OUT, "uint8[N, 8, 6, 6] a", 1, "spread images",
    ),
    "rounding of QLinearMul": (
        f"[d] a = com.microsoft.QLinearMul(x, half, z, x, quarter, z, quarter, z) {CONV8}",
        f"uint8[N, 8, 6, 6] a, {OUT}", "", 1, "",
    ),
    "rounding of QLinearAdd": (
        f"[d] a = com.microsoft.QLinearAdd(x, quarter, z, x, half, z, half, z) {CONV8}",
        f"uint8[N, 8, 6, 6] a, {OUT}", "", 1, "",
    ),
    "rounding of QLinearAveragePool": (
        f"[d] a = com.microsoft.QLinearAveragePool<kernel_shape = [2, 2], pads = [1, 1, 0, 0]>(x, s, z, s, z) {CONV8}",
        f"uint8[N, 8, 6, 6] a, {OUT}", "", 1, "",
    ),
    "QLinearMul of scales too far apart": (
        f"[d] a = com.microsoft.QLinearMul(x, s, z, x, s, z, tiny, p) {CONV8}",
        f"uint8[N, 8, 6, 6] a, {OUT}", "", 1, "too far apart",
    ),
    "two zero points of one value": (
        f"[d] a = com.microsoft.QLinearMul(x, half, z, x, half, p, quarter, z) {CONV8}",
        f"uint8[N, 8, 6, 6] a, {OUT}", "", 1, "zero point",
    ),
    "MaxPool of an input": (
        f"[m] a = MaxPool<kernel_shape = [2, 2]>(x) {CONV8}", f"uint8[N, 8, 5, 5] a, {OUT}", "", 1, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RAW)
def test_other_qoperator_graphs(name: str) -> None:
    body, outputs, inside, regions, reason = RAW[name]
    inputs = "uint8[N, 8, 6, 6] x" + (", uint8[1, 8, 6, 6] one" if "one" in body else "")
    plain = raw(f"g ({inputs}) => ({outputs}) <{inside}> {{ {body} }}")
    model = plain.clone()

    left = fuse(model)

    assert operators(model).count("Region") == regions
    assert reason in "".join(left.values())
    assert bool(left) == bool(reason)
    rng = np.random.default_rng(0)
    feeds = {"x": rng.integers(0, 256, (3, 8, 6, 6), np.uint8), "one": rng.integers(0, 256, (1, 8, 6, 6), np.uint8)}
    check_same(plain, model, [{v.name: feeds[v.name] for v in plain.graph.inputs if v.name}])


def test_pixels_come_in_channels_last() -> None:
    transposed = "[t] x = Transpose<perm = [0, 3, 1, 2]>(i)"
    plain = raw(f"g (uint8[N, 6, 6, 8] i) => ({OUT}) <uint8[N, 8, 6, 6] x> {{ {transposed} {CONV8} }}")
    model = plain.clone()

    assert fuse(model) == {}

    assert operators(model) == ["Region"]
    check_same(plain, model, [{"i": np.random.default_rng(0).integers(0, 256, (2, 6, 6, 8), np.uint8)}])


def test_more_products_than_a_sum_holds() -> None:
    text = "g (uint8[N, 70000] x) => (uint8[N, 3] y) { [m] y = com.microsoft.QGemm(x, s, z, long, ws, wz, , s, z) }"

    (node,) = raw(text).graph

    assert obstacle(node) == "its sums may not fit INT32"


def raw(text: str) -> ir.Model:
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]> {text}')
    rng = np.random.default_rng(1)
    constants = {k: rng.integers(-128, 128, s).astype(np.int8) for k, s in SHAPES.items()} | NUMBERS
    used = {name for node in proto.graph.node for name in node.input}
    proto.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items() if k in used
    )
    return ir.from_proto(proto)
