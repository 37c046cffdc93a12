"""Operators that move values: they take the uint8 tensor, whose scale and zero point do not change."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.metrics.sqnr import sqnr
from pyq8.types import Array, Config

from ..small_models import (
    FORMATS,
    NEWEST,
    OLDEST,
    Weights,
    between,
    check_case,
    check_float,
    parse,
    quantized,
    random_feeds,
    run,
)


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


def i64(*values: int) -> Array:
    return np.array(values, np.int64)


@pytest.mark.parametrize("opset", [OLDEST, NEWEST])
@pytest.mark.parametrize(
    ("body", "kernel", "weights"),
    [
        ("[n] b = Reshape(a, s)", "Reshape", {"s": i64(1, 16, 6, 24)}),
        ("[n] b = DepthToSpace<blocksize = 2>(a)", "DepthToSpace", {"w2": (16, 4, 3, 3)}),
        ("[n] c = Flatten(a) [m] b = Reshape(c, s)", "Flatten", {"s": i64(1, 16, 12, 12)}),
        ("[n] b = Transpose<perm = [0, 1, 3, 2]>(a)", "", {}),
        ("[n] c = Unsqueeze(a, z) [m] b = Squeeze(c, z)", "Unsqueeze", {"z": i64(0)}),
        ("[n] b = Slice(a, st, en, ax, by)", "Slice", {"st": i64(9), "en": i64(1), "ax": i64(2), "by": i64(-2)}),
        ("[n] c, d = Split<axis = 1>(a, s) [m] b = Add(c, d)", "Split", {"s": i64(8, 8), "w2": (16, 8, 3, 3)}),
        ("[n] b = Pad(a, p)", "Pad", {"p": i64(0, 0, 1, 2, 0, 0, 3, 0)}),
        ("[n] b = Pad(a, p, v)", "Pad", {"p": i64(0, 0, 1, 2, 0, 0, 3, 0), "v": np.float32(0)}),
        ('[n] b = Pad<mode = "reflect">(a, p)', "Pad", {"p": i64(0, 0, 1, 2, 0, 0, 3, 0)}),
        ('[n] b = Resize<mode = "nearest">(a, , s)', "Resize", {"s": f32(1, 1, 2, 2)}),
        ("[n] b = Resize(a, , , s)", "Resize", {"s": i64(1, 16, 7, 9)}),
    ],
)
def test_int8(body: str, kernel: str, weights: Weights, opset: int) -> None:
    case = quantized(between(body, weights, opset))

    check_case(case, {"conv1": "QLinearConv", "n": kernel, "conv2": "QLinearConv"})


def test_padding_of_a_tensor_whose_zero_point_is_not_zero_is_real_zero() -> None:
    text = """g (float[1, 8, 4, 4] x) => (float[N, C, H, W] z) {
        [c] a = Conv(x, w)  [n] z = Pad(a, p)  [last] y = Conv(z, v)
    }"""
    model = parse(text, {"w": (16, 8, 1, 1), "v": (8, 16, 1, 1), "p": i64(0, 0, 2, 2, 0, 0, 2, 2)})
    model.graph.outputs.append(next(n for n in model.graph if n.name == "last").outputs[0])

    case = quantized(model)

    assert int(case.plan.qparams["a"].zero_point) > 0
    for name in FORMATS:
        assert not np.any(case.outputs[name][0][..., :2, :])


@pytest.mark.parametrize("used", ["first", "second"])
def test_split_of_which_only_one_part_is_read(used: str) -> None:
    outputs = "b, rest" if used == "first" else "rest, b"
    model = between(f"[n] {outputs} = Split<axis = 1>(a, s)", {"s": i64(8, 8), "w2": (16, 8, 3, 3)})

    check_case(quantized(model), {"n": "Split"})


def test_split_of_which_one_part_is_an_output() -> None:
    model = between("[n] b, rest = Split<axis = 1>(a, s)", {"s": i64(8, 8), "w2": (16, 8, 3, 3)})
    model.graph.outputs.append(next(n for n in model.graph if n.name == "n").outputs[1])

    case = quantized(model)

    check_case(case, {"n": "Split"}, dq=2)
    assert [v.name for v in case.quantized["qdq"].graph.outputs] == ["y", "rest"]


@pytest.mark.parametrize(
    ("body", "weights", "reason"),
    [
        ("[n] b = Pad(a, p, v)", {"p": i64(0, 0, 1, 1, 0, 0, 1, 1), "v": np.float32(1)}, "another value than 0"),
        ('[n] b = Resize<mode = "linear">(a, , s)', {"s": f32(1, 1, 2, 2)}, "linear Resize rounds down"),
        ('[n] b = Resize<mode = "cubic">(a, , s)', {"s": f32(1, 1, 2, 2)}, "no INT8 cubic Resize"),
        (
            '[n] b = Resize<mode = "nearest", coordinate_transformation_mode = "tf_crop_and_resize">(a, r, , s)',
            {"s": i64(1, 16, 12, 12), "r": f32(0, 0, -0.4, -0.4, 1, 1, 1.4, 1.4)},
            "outside the image",
        ),
    ],
)
def test_float(body: str, weights: Weights, reason: str) -> None:
    check_float(quantized(between(body, weights)), "n", reason)


def test_a_linear_resize_that_keeps_the_range_is_not_rounded_down_by_the_runtime() -> None:
    """With align_corners and minmax both sides have one scale, and ONNX Runtime would run its uint8 kernel."""
    body = '[n] b = Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(a, , , s)'
    model = between(body, {"s": i64(1, 16, 23, 23)})
    feeds = random_feeds(model, 1)

    case = quantized(model, Config(observer="minmax"), feeds)

    assert case.plan.qparams["a"] == case.plan.qparams["b"]
    for name in FORMATS:
        assert not case.row(name, "n").int8
        assert sqnr(run(model, feeds)[0], run(case.quantized[name], feeds)[0]) > 35
