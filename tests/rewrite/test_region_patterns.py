"""Heads of detectors and normalizations in regions: several nodes that are one layer, or none."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8 import kernels
from pyq8.metrics.sqnr import sqnr
from pyq8.rewrite import rewrite
from pyq8.runtime.sessions import model_session

from ..small_models import Weights, quantized
from .region_models import CONV, HEAD, compare, graph, operators

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]


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
