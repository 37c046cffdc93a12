"""A model of regions gives the bytes of the QOperator model that it was made from."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pyq8 import kernels
from pyq8.metrics.sqnr import sqnr
from pyq8.rewrite import rewrite
from pyq8.rewrite.region import fuse
from pyq8.rewrite.region.match import obstacle
from pyq8.runtime.sessions import model_session
from pyq8.types import INT7, Array, Config, Feeds

from ..small_models import WEIGHTS, Weights, parse, quantized

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]

KERNEL, DEPTHWISE = (16, 16, 1, 1), (16, 1, 3, 3)
CONV = "Conv<pads = [1, 1, 1, 1]>"
INSIDE: dict[str, tuple[str, Weights]] = {
    "Relu": ("b = Relu(a)", {}),
    "Clip": ("b = Clip(a, lo, hi)", {"lo": np.float32(0), "hi": np.float32(1)}),
    "MaxPool": ("b = MaxPool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>(a)", {}),
    "MaxPool, ceil": ("b = MaxPool<kernel_shape = [2, 2], strides = [3, 3], ceil_mode = 1>(a)", {}),
    "MaxPool, dilated": ("b = MaxPool<kernel_shape = [2, 2], dilations = [3, 2]>(a)", {}),
    "AveragePool": ("b = AveragePool<kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]>(a)", {}),
    "AveragePool of pads": (
        "b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>(a)",
        {},
    ),
    "AveragePool, ceil": ("b = AveragePool<kernel_shape = [2, 2], strides = [3, 3], ceil_mode = 1>(a)", {}),
    "gate": ("g = GlobalAveragePool(a) [s] s = Sigmoid(g) [t] b = Mul(a, s)", {}),
    "gate on the left": ("g = GlobalAveragePool(a) [s] s = Sigmoid(g) [t] b = Mul(s, a)", {}),
    "Mul": ("s = Sigmoid(a) [t] b = Mul(a, s)", {}),
    "LeakyRelu": ("b = LeakyRelu<alpha = 0.2>(a)", {}),
    "residual": (f"c = {CONV}(a, w2, b2) [t] b = Add(a, c)", {}),
    "residual and Relu": (f"c = {CONV}(a, w2, b2) [t] t = Add(c, a) [r] b = Relu(t)", {}),
    "sum of two": (f"c = {CONV}(a, w2) [d] d = {CONV}(a, w2, b2) [t] b = Add(c, d)", {}),
    "Add of one": ("b = Add(a, a)", {}),
    "depthwise": ("b = Conv<group = 16, strides = [2, 1]>(a, w3, b2)", {"w3": DEPTHWISE}),
    "depthwise and sum": ("c = Conv<group = 16, pads = [1, 1, 1, 1]>(a, w3) [t] b = Add(c, a)", {"w3": DEPTHWISE}),
    "groups": ("b = Conv<group = 4, dilations = [2, 2], strides = [2, 1]>(a, w3)", {"w3": (16, 4, 3, 3)}),
    "wide": ("c = Conv(a, w3) [d] b = Conv(c, w4)", {"w3": (130, 16, 1, 1), "w4": (16, 130, 3, 1)}),
    "Concat": (
        f"c = {CONV}(a, w2) [m] m = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a) [s] s = Sigmoid(c) "
        "[k] k = Concat<axis = 1>(a, s, m) [d] b = Conv(k, w4)",
        {"w4": (16, 48, 1, 1)},
    ),
    "Concat of a convolution": (
        f"c = {CONV}(a, w2) [k] k = Concat<axis = 1>(c, a) [d] b = Conv(k, w4)",
        {"w4": (16, 32, 1, 1)},
    ),
    "Concat of one": ("k = Concat<axis = 1>(a, a) [d] b = Conv(k, w4)", {"w4": (16, 32, 1, 1)}),
    "Concat of Concat": (
        "s = Sigmoid(a) [k] k = Concat<axis = 1>(a, s) [j] j = Concat<axis = 1>(s, k) [d] b = Conv(j, w4)",
        {"w4": (16, 48, 1, 1)},
    ),
    "Reshape to itself": ("b = Reshape(a, shape)", {"shape": np.array([0, 16, 12, 12])}),
}
OUTSIDE: dict[str, tuple[str, Weights, int]] = {
    "Resize": ("b = Resize(a, , sizes)", {"sizes": np.array([1, 1, 2, 2], np.float32)}, 2),
    "Softmax": ("b = Softmax<axis = 1>(a)", {}, 2),
    "Tanh": ("b = Tanh(a)", {}, 2),
    "auto_pad": ('b = Conv<auto_pad = "SAME_UPPER">(a, w2)', {}, 2),
}
HEAD = "[conv1] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)"
FC: Weights = {"fc": (10, 16), "fcb": (10,), "square": (16, 16), "image": (10, 16 * 36), "flat": np.array([0, -1])}
POOL = "[p] p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)"
ENDS = {
    "Gemm": "[p] p = GlobalAveragePool(a) [f] f = Flatten(p) [m] y = Gemm<transB = 1>(f, fc, fcb)",
    "two Gemm": "[p] p = GlobalAveragePool(a) [f] f = Flatten(p) [m] m = Gemm<transB = 1>(f, square) [r] r = Relu(m) "
    "[n] y = Gemm<transB = 1>(r, fc)",
    "Gemm of an image": f"{POOL} [f] f = Flatten(p) [m] y = Gemm<transB = 1>(f, image, fcb)",
    "Gemm behind Reshape": f"{POOL} [f] f = Reshape(p, flat) [m] y = Gemm<transB = 1>(f, image)",
    "Gemm and Softmax": "[p] p = GlobalAveragePool(a) [f] f = Flatten(p) [m] m = Gemm<transB = 1>(f, fc) "
    "[s] y = Softmax<axis = 1>(m)",
}


def compare(model: ir.Model, feeds: list[Feeds] | None = None) -> ir.Model:
    """Quantize as both; the model of regions, whose outputs are those of the other."""
    case = quantized(model, Config(placement="all"), feeds)
    plain, regions = rewrite(case.model, case.plan, "qoperator"), rewrite(case.model, case.plan, "pyq8")
    check_same(plain, regions, case.feeds)
    return regions


def check_same(plain: ir.Model, regions: ir.Model, feeds: Sequence[Feeds]) -> None:
    sessions = [model_session(m, spin=False, threads=1) for m in (plain, regions)]
    for feed in feeds:
        for expected, found in zip(*(s.run(None, feed) for s in sessions), strict=True):
            np.testing.assert_array_equal(found, expected, strict=True)


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def graph(body: str, weights: Weights, outputs: str = "float[N, 16, I, J] y", size: str = "12, 12") -> ir.Model:
    words = set(re.findall(r"\w+", body))
    used = {k: v for k, v in {**WEIGHTS, **weights}.items() if k in words}
    return parse(f"g (float[N, 8, {size}] x) => ({outputs}) {{ {body} }}", used)


def images(*shapes: tuple[int, ...]) -> list[Feeds]:
    rng = np.random.default_rng(3)
    return [{"x": (rng.standard_normal(shape) + 0.3).astype(np.float32)} for shape in shapes]


@pytest.mark.parametrize("name", INSIDE)
def test_an_operator_inside(name: str) -> None:
    body, weights = INSIDE[name]

    model = compare(graph(f"{HEAD} [x] {body} [conv2] y = {CONV}(b, w2, b2)", weights))

    assert operators(model) == ["Region"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_an_operator_between_two_regions(name: str) -> None:
    body, weights, regions = OUTSIDE[name]

    model = compare(graph(f"{HEAD} [x] {body} [conv2] y = {CONV}(b, w2, b2)", weights))

    assert operators(model).count("Region") == regions


@pytest.mark.parametrize("name", ENDS)
def test_a_row_of_channels_at_the_end(name: str) -> None:
    model = compare(graph(f"{HEAD} {ENDS[name]}", FC, "float[N, 10] y"))

    assert operators(model)[0] == "Region"
    assert not {"QGemm", "Flatten"} & set(operators(model))


def test_images_of_any_size_and_number() -> None:
    body = f"{HEAD} [c] c = {CONV}(a, w2) [e] e = Add(c, a) [k] k = Concat<axis = 1>(e, a) [d] y = Conv(k, w4)"
    model = graph(body, {"w4": (16, 32, 1, 1)}, size="H, W")
    case = quantized(model, Config(placement="all"), images((1, 8, 12, 12), (1, 8, 12, 12)))
    plain, regions = rewrite(model, case.plan, "qoperator"), rewrite(model, case.plan, "pyq8")

    assert operators(regions) == ["Region"]
    check_same(plain, regions, images((1, 8, 9, 15), (3, 8, 12, 12), (2, 8, 1, 1), (5, 8, 3, 40), (1, 8, 9, 15)))


SUMS = {
    "a shortcut with a stride": (
        f"{HEAD} [c] c = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, w2) [s] s = Conv<strides = [2, 2]>(a, w3) "
        "[e] y = Add(c, s)",
        1,
    ),
    "dilation": (f"{HEAD} [c] c = Conv<dilations = [2, 2], pads = [2, 2, 2, 2]>(a, w2) [e] y = Add(c, a)", 1),
    "a gate": (
        f"{HEAD} [g] g = GlobalAveragePool(a) [s] s = Sigmoid(g) [m] m = Mul(a, s) [c] c = {CONV}(m, w2) "
        "[e] y = Add(c, a)",
        1,
    ),
    "equal for even sizes only": (
        f"{HEAD} [c] c = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, w2) "
        "[s] s = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a) [e] y = Add(c, s) [d] z = Conv(y, w3)",
        2,
    ),
    "ceil": (
        f"{HEAD} [c] c = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(a, w2) "
        "[s] s = MaxPool<kernel_shape = [1, 1], strides = [2, 2], ceil_mode = 1>(a) [e] y = Add(c, s) "
        "[d] z = Conv(y, w3)",
        2,
    ),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_of_images_of_open_size(name: str) -> None:
    body, regions = SUMS[name]
    outputs = "float[N, 16, I, J] y" + (", float[N, 16, K, L] z" if "z =" in body else "")
    model = graph(body, {"w3": KERNEL}, outputs, size="H, W")
    case = quantized(model, Config(placement="all"), images((1, 8, 12, 12)))
    plain, made = rewrite(model, case.plan, "qoperator"), rewrite(model, case.plan, "pyq8")

    assert operators(made).count("Region") == regions
    check_same(plain, made, images((1, 8, 8, 16), (2, 8, 4, 12)))


def test_outputs_inside_of_a_region_and_what_nobody_reads() -> None:
    body = f"{HEAD} [c] c = {CONV}(a, w2) [e] e = Add(c, a) [f] y = Conv(e, w3) [u] u = {CONV}(e, w2)"
    outputs = "float[N, 16, 12, 12] a, float[N, 16, 12, 12] y, float[N, 16, 12, 12] c"

    model = compare(graph(body, {"w3": KERNEL}, outputs))

    assert operators(model) == ["Region"]
    assert [v.name for v in model.graph.outputs] == ["a", "y", "c"]


def test_heads_leave_channels_last() -> None:
    body = f"""{HEAD} [t] t = Transpose<perm = [0, 2, 3, 1]>(a) [r] r = Reshape(t, rows)
        [c] c = {CONV}(a, w2) [u] u = Transpose<perm = [0, 2, 3, 1]>(c) [s] s = Reshape(u, rows)
        [k] y = Concat<axis = 2>(r, s)"""

    model = compare(graph(body, {"rows": np.array([0, -1, 8])}, "float[N, 288, 8] y"))

    assert "Transpose" not in operators(model)


BOXES = """[v] v = Reshape(a, five) [t] t = Transpose<perm = [0, 3, 4, 1, 2]>(v) [r] r = Reshape(t, rows)
    [c] c = Conv<pads = [1, 1, 1, 1]>(a, w3) [p] p = Slice(c, zero, ten, one)
    [u] u = Reshape(p, six) [o] o = Transpose<perm = [0, 3, 4, 1, 2]>(u)
    [s] s = Reshape(o, rows) [k] y = Concat<axis = 1>(r, s)"""
HEADS = {
    "boxes": (BOXES, 0),
    "its other dimensions first": (BOXES.replace("3, 4, 1, 2", "4, 3, 1, 2"), 2),
    "another row": (BOXES.replace("rows)", "long)"), 2),
    "its parts read by others": (f"{BOXES} [n] n = Relu(t) [m] z = Reshape(n, rows)", 1),
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_boxes_leave_channels_last(name: str) -> None:
    body, left = HEADS[name]
    weights: Weights = {
        "w3": (12, 16, 3, 3), "zero": np.array([0]), "ten": np.array([10]), "one": np.array([1]),
        "five": np.array([0, -1, 2, 12, 12]), "six": np.array([0, 5, 2, 12, 12]),
        "rows": np.array([0, -1, 2]), "long": np.array([0, -1, 4]),
    }  # fmt: skip
    columns = "float[N, 936, 4] y" if "long" in body else "float[N, 1872, 2] y"
    outputs = columns + (", float[N, 1152, 2] z" if "z =" in body else "")

    model = compare(graph(f"{HEAD} {body}", weights, outputs))

    assert operators(model).count("Transpose") == left


def test_a_region_for_every_node_computes_the_same() -> None:
    body = f"{HEAD} {POOL} [s] s = Sigmoid(p) [t] t = Mul(p, s) [f] f = Flatten(t) [m] y = Gemm<transB = 1>(f, image)"
    case = quantized(graph(body, FC, "float[N, 10] y"), Config(placement="all"))
    plain = rewrite(case.model, case.plan, "qoperator")
    model = plain.clone()

    fuse(model, alone=True)

    assert operators(model) == ["Region"] * 6
    check_same(plain, model, case.feeds)


NORMALIZE = """[l] l = ReduceL2<axes = [1], keepdims = 1>(a) [m] m = Clip(l, lo) [s] s = Shape(a) [e] e = Expand(m, s)
    [d] d = Div(a, e) [t] b = Mul(twenty, d)"""
NORMALIZED = {
    "as PyTorch writes it": (NORMALIZE, ["Region"]),
    "without weights": (NORMALIZE.replace("[t] b = Mul(twenty, d)", "").replace("d =", "b ="), ["Region"]),
    "without Expand": (
        NORMALIZE.replace("[s] s = Shape(a) [e] e = Expand(m, s)", "").replace(", e)", ", m)"),
        ["Region"],
    ),
    "over another axis": (NORMALIZE.replace("[1]", "[2]"), None),
    "with a largest length": (NORMALIZE.replace("lo)", "lo, hi)"), None),
    "of nothing": (NORMALIZE.replace("lo)", "zero)"), None),
    "of another length": (NORMALIZE.replace("ReduceL2<axes = [1], keepdims = 1>(a)", "Abs(a)"), None),
}


@pytest.mark.parametrize("name", NORMALIZED)
def test_an_l2_normalization(name: str) -> None:
    body, expected = NORMALIZED[name]
    weights: Weights = {
        "lo": np.float32(1e-12), "hi": np.float32(1e6), "zero": np.float32(0),
        "twenty": np.linspace(-20, 20, 16, dtype=np.float32).reshape(1, 16, 1, 1),
    }  # fmt: skip
    case = quantized(graph(f"{HEAD} [r] r = Relu(a) {body.replace('(a', '(r')} [conv2] y = {CONV}(b, w2, b2)", weights))
    plain, regions = rewrite(case.model, case.plan, "qoperator"), rewrite(case.model, case.plan, "pyq8")

    assert expected is None or operators(regions) == expected
    assert expected is not None or operators(regions).count("Region") == 2
    for feed in case.feeds:
        y, found = (model_session(m, spin=False, threads=1).run(None, feed)[0] for m in (plain, regions))
        assert sqnr(y, found) > 60  # a sum of squares in another order: now and then a code that was half-way


def test_it_is_as_close_to_fp32_as_qdq() -> None:
    case = quantized(graph(f"{HEAD} [c] c = {CONV}(a, w2, b2) [t] y = Add(a, c)", {}))
    expected, found = (
        [model_session(rewrite(case.model, case.plan, form)).run(None, f)[0] for f in case.feeds]
        for form in ("qdq", "pyq8")
    )

    assert sqnr(np.stack(expected), np.stack(found)) > 40


# Graphs that pyq8 does not write, but that another QOperator model may have.

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


@pytest.mark.parametrize("act", ["Relu", "Tanh"])
def test_a_weight_that_many_layers_read_is_stored_once(act: str) -> None:
    """Behind a Relu they are in one region, behind a Tanh, which has no INT8 kernel, each is in its own."""
    steps = " ".join(f"[k{i}] u{i} = {CONV}(t{i}, w, b) [r{i}] t{i + 1} = {act}(u{i})" for i in range(6))
    text = f"g (float[1, 8, 5, 5] x) => (float[N, C, H, W] y) {{ t0 = {CONV}(x, w1, b1) {steps} y = Conv(t6, w) }}"
    weights: Weights = {"w1": (64, 8, 3, 3), "b1": (64,), "w": (64, 64, 3, 3), "b": (64,)}
    case = quantized(parse(text, weights), Config(placement="all", weight_type=INT7))  # ONNX Runtime is right anywhere
    model = rewrite(case.model, case.plan, "pyq8")
    others = {name: rewrite(case.model, case.plan, name) for name in ("qdq", "qoperator")}

    regions = sum(node.op_type == "Region" for node in model.graph)
    stored = {name: _bytes(each) for name, each in {**others, "pyq8": model}.items()}

    assert regions == (1 if act == "Relu" else 7)
    weight = 64 * 64 * 9
    assert weight < min(stored.values())
    assert max(stored.values()) < 2 * weight
    for feeds in case.feeds:
        ours, theirs = (model_session(m, threads=1).run(None, feeds)[0] for m in (model, others["qoperator"]))
        np.testing.assert_array_equal(ours, theirs)


def _bytes(model: ir.Model) -> int:
    return sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)


def test_regions_of_different_weights_have_blobs_of_their_own() -> None:
    steps = " ".join(f"[k{i}] u{i} = {CONV}(t{i}, v{i}) [r{i}] t{i + 1} = Tanh(u{i})" for i in range(4))
    text = f"g (float[1, 64, 5, 5] x) => (float[N, C, H, W] t4) {{ t0 = {CONV}(x, v0) {steps} }}"
    case = quantized(parse(text, {f"v{i}": (64, 64, 1, 1) for i in range(4)}), Config(placement="all"))

    model = rewrite(case.model, case.plan, "pyq8")

    blobs = [node.inputs[0] for node in model.graph if node.op_type == "Region"]
    assert len(blobs) == 4  # the first two convolutions share one region, and their weight
    assert len(set(blobs)) == 4
