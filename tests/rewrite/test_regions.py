"""A model of regions gives the bytes of the QOperator model that it was made from."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.metrics.sqnr import sqnr
from pyq8.rewrite import rewrite
from pyq8.rewrite.region import fuse
from pyq8.runtime.sessions import model_session
from pyq8.types import Config

from ..small_models import Weights, quantized
from .region_models import CONV, FC, HEAD, POOL, check_same, compare, graph, images, operators

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]

KERNEL, DEPTHWISE = (16, 16, 1, 1), (16, 1, 3, 3)
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
    "Split": (
        "p, q = Split<axis = 1>(a, halves) [d] c = Conv(q, w3) [s] s = Sigmoid(p) [k] k = Concat<axis = 1>(p, c, s, q) "
        "[e] b = Conv(k, w4)",
        {"w3": (8, 8, 1, 1), "w4": (16, 32, 1, 1), "halves": np.array([8, 8])},
    ),
    "Slice of channels": (
        "p = Slice(a, from, to, axis) [d] b = Conv<pads = [1, 1, 1, 1]>(p, w3)",
        {"w3": (16, 9, 3, 3), "from": np.array([3]), "to": np.array([12]), "axis": np.array([1])},
    ),
    "Slice of a Concat": (
        f"c = {CONV}(a, w2) [k] k = Concat<axis = 1>(a, c) [p] p = Slice(k, from, to, axis, step) [d] b = Conv(p, w3)",
        {
            "w3": (16, 16, 1, 1),
            "from": np.array([-24]),
            "to": np.array([-8]),
            "axis": np.array([-3]),
            "step": np.array([1]),
        },
    ),
    "DepthToSpace": ("c = DepthToSpace<blocksize = 2>(a) [d] b = Conv(c, w3)", {"w3": (16, 4, 3, 3)}),
    "DepthToSpace, channels first": (
        'c = DepthToSpace<blocksize = 4, mode = "CRD">(a) [d] b = Conv<strides = [2, 2]>(c, w3)',
        {"w3": (16, 1, 3, 3)},
    ),
    "DepthToSpace, cut": (
        "c = DepthToSpace<blocksize = 2>(a) [s] s = Slice(c, from, to, axes) [d] b = Conv(s, w3)",
        {"w3": (16, 4, 3, 3), "from": np.array([1, 0]), "to": np.array([-2, 2**62]), "axes": np.array([2, 3])},
    ),
    "DepthToSpace, read as a whole too": (
        "c = DepthToSpace<blocksize = 2>(a) [s] s = Slice(c, from, to, axes) [d] d = Conv(s, w3) "
        "[e] e = Conv(c, w4) [t] b = Add(d, e)",
        {
            "w3": (16, 4, 3, 3),
            "w4": (16, 4, 3, 10),
            "from": np.array([3]),
            "to": np.array([20]),
            "axes": np.array([-1]),
        },
    ),
    "Pad by the edge": (
        'p = Pad<mode = "edge">(a, pads) [d] b = Conv(p, w3)',
        {"w3": (16, 16, 3, 3), "pads": np.array([0, 0, 1, 0, 0, 0, 2, 3])},
    ),
    "Reshape to itself": ("b = Reshape(a, shape)", {"shape": np.array([0, 16, 12, 12])}),
}
OUTSIDE: dict[str, tuple[str, Weights, int]] = {
    "Resize": ("b = Resize(a, , sizes)", {"sizes": np.array([1, 1, 2, 2], np.float32)}, 2),
    "Softmax": ("b = Softmax<axis = 1>(a)", {}, 2),
    "Sin": ("b = Sin(a)", {}, 2),
    "auto_pad": ('b = Conv<auto_pad = "SAME_UPPER">(a, w2)', {}, 2),
}
ENDS = {
    "Gemm": "[p] p = GlobalAveragePool(a) [f] f = Flatten(p) [m] y = Gemm<transB = 1>(f, fc, fcb)",
    "two Gemm": "[p] p = GlobalAveragePool(a) [f] f = Flatten(p) [m] m = Gemm<transB = 1>(f, square) [r] r = Relu(m) "
    "[n] y = Gemm<transB = 1>(r, fc)",
    "Gemm of an image": f"{POOL} [f] f = Flatten(p) [m] y = Gemm<transB = 1>(f, image, fcb)",
    "Gemm behind Reshape": f"{POOL} [f] f = Reshape(p, flat) [m] y = Gemm<transB = 1>(f, image)",
    "Gemm and Softmax": "[p] p = GlobalAveragePool(a) [f] f = Flatten(p) [m] m = Gemm<transB = 1>(f, fc) "
    "[s] y = Softmax<axis = 1>(m)",
}


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


def test_a_region_for_every_node_computes_the_same() -> None:
    body = f"{HEAD} {POOL} [s] s = Sigmoid(p) [t] t = Mul(p, s) [f] f = Flatten(t) [m] y = Gemm<transB = 1>(f, image)"
    case = quantized(graph(body, FC, "float[N, 10] y"), Config(placement="all"))
    plain = rewrite(case.model, case.plan, "qoperator")
    model = plain.clone()

    fuse(model, alone=True)

    assert operators(model) == ["Region"] * 6
    check_same(plain, model, case.feeds)


def test_it_is_as_close_to_fp32_as_qdq() -> None:
    case = quantized(graph(f"{HEAD} [c] c = {CONV}(a, w2, b2) [t] y = Add(a, c)", {}))
    expected, found = (
        [model_session(rewrite(case.model, case.plan, form)).run(None, f)[0] for f in case.feeds]
        for form in ("qdq", "pyq8")
    )

    assert sqnr(np.stack(expected), np.stack(found)) > 40
