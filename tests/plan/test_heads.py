"""Heads of detectors: what few of many positions say must not be cut."""

from __future__ import annotations

import numpy as np

from pyq8.ops.placement import place
from pyq8.types import Config
from tests.small_models import WEIGHTS, between, parse, quantized

YOLO = """g (float[N, 8, 12, 12] x) => (float[N, 10, 144] y) {
    [conv] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)
    [boxes] b = Conv(a, wb)
    [classes] c = Conv(a, wc, bc)
    [both] d = Concat<axis = 1>(b, c)
    shape = Constant<value_ints = [0, 34, 144]>()
    [rows] e = Reshape(d, shape)
    parts = Constant<value_ints = [32, 2]>()
    [split] f, s = Split<axis = 1>(e, parts)
    bins = Constant<value_ints = [0, 8, 4, 144]>()
    [bins] h = Reshape(f, bins)
    [soft] i = Softmax<axis = 1>(h)
    [mean] j = Conv(i, wm)
    flat = Constant<value_ints = [0, 4, 144]>()
    [flat] k = Reshape(j, flat)
    [scores] l = Sigmoid(s)
    twice = Constant<value_ints = [1]>()
    zero = Constant<value_ints = [0]>()
    two = Constant<value_ints = [4]>()
    [slice] m = Slice(k, zero, two, twice)
    [y] y = Concat<axis = 1>(k, m, l)
}"""
HEAD = {
    **WEIGHTS,
    "wb": (32, 16, 1, 1),
    "wc": (2, 16, 1, 1),
    "bc": np.full(2, -8, np.float32),
    "wm": np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1),
}


def test_the_mean_of_a_boxs_bins_is_decoding_and_boxes_share_no_scale_with_scores() -> None:
    case = quantized(parse(YOLO, HEAD))
    assert [node.name for node in place(case.model).int8] == ["conv", "boxes", "classes"]
    assert case.plan.float_nodes["mean"] == case.plan.float_nodes["both"] == "behind the last convolution"
    assert case.plan.qparams["b"] != case.plan.qparams["c"]


def test_scores_can_be_high_though_no_calibration_image_has_an_object() -> None:
    case = quantized(parse(YOLO, HEAD))
    assert case.calibration.stats["c"].max < 0
    assert case.plan.qparams["c"].range[1] > 3.9


def test_nothing_that_was_seen_of_offsets_is_cut() -> None:
    case = quantized(parse(YOLO, HEAD), feeds=[{"x": np.ones((1, 8, 12, 12), np.float32)} for _ in range(4)])
    rare = case.feeds[0]["x"].copy()
    rare[0, :, 5, 5] = 30
    case = quantized(parse(YOLO, HEAD), feeds=[*case.feeds * 30, {"x": rare}])
    seen = case.calibration.stats["b"]
    low, high = case.plan.qparams["b"].range
    step = float(case.plan.qparams["b"].scale)
    assert low <= seen.min + step and high >= seen.max - step


def test_what_a_region_computes_in_a_table_is_no_head() -> None:
    small = np.random.default_rng(0).standard_normal((16, 8, 3, 3), dtype=np.float32) / 100
    model = between("[gate] s = Sigmoid(a) [silu] b = Mul(a, s)", {"w1": small})
    plain, regions = (quantized(model, Config(format=form)) for form in ("qdq", "pyq8"))
    assert "silu" in regions.plan.float_nodes
    assert regions.plan.qparams["a"] == plain.plan.qparams["a"]
