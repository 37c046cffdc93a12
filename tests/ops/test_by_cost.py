"""What is slower in INT8 stays FP32, and says so; everything else stays INT8."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.errors import UsageError
from pyq8.ops.by_cost import PLACEMENTS, leave_slow
from pyq8.ops.placement import place
from pyq8.types import Config, Plan

from ..small_models import FORMATS, Weights, between, check_case, parse, quantized, random_feeds


def block(channels: int, middle: int, group: int, size: str = "56, 56", window: int = 3) -> ir.Model:
    """1x1, grouped and 1x1 convolutions, a sum with the input of the first, and one more 1x1 convolution."""
    pads = ", ".join([str(window // 2)] * 4)
    text = f"""g (float[1, {channels}, {size}] x) => (float[N, C, H, W] y) {{
        [conv0] s = Conv(x, w0)
        [conv1] a = Conv(s, w1)  [relu1] b = Relu(a)
        [grouped] c = Conv<group = {group}, pads = [{pads}]>(b, w)  [relu2] d = Relu(c)
        [conv2] e = Conv(d, w2)  [add] f = Add(e, s)  [relu3] h = Relu(f)
        [conv3] y = Conv(h, w0)
    }}"""
    weights: Weights = {
        "w0": (channels, channels, 1, 1),
        "w1": (middle, channels, 1, 1),
        "w": (middle, middle // group, window, window),
        "w2": (channels, middle, 1, 1),
    }
    return parse(text, weights)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_convolution_of_many_groups_stays_float(channels: int) -> None:
    model = block(256, 128, 128 // channels)

    case = quantized(model, feeds=random_feeds(model, 2))

    assert case.plan.float_nodes.keys() == {"grouped", "relu2"}
    assert case.plan.float_nodes["relu2"] == "its producer 'grouped' stays FP32"
    reason = case.plan.float_nodes["grouped"]
    found = re.fullmatch(
        rf"cost: FP32 is estimated (\d+\.\d) times as fast here \({channels} channels a group\)", reason
    )
    assert found and 2 < float(found[1]) < 9
    neighbours = dict.fromkeys(("conv0", "conv1", "conv2", "conv3"), "QLinearConv")
    check_case(case, {**neighbours, "add": "QLinearAdd"}, q=2, dq=2)
    for name in FORMATS:
        row = case.row(name, "grouped")
        assert (row.int8, row.reason) == (False, reason)
        assert row.kernel.endswith("Conv")
    assert Plan.from_json(json.loads(json.dumps(case.plan.to_json()))) == case.plan


def test_and_is_int8_where_all_is_asked_for() -> None:
    model = block(256, 128, 32)

    case = quantized(model, Config(placement="all"), random_feeds(model, 2))

    assert case.plan.float_nodes == {}
    check_case(case, {"grouped": "QLinearConv"})


def test_neighbours_that_are_not_worth_a_conversion_come_along() -> None:
    model = block(16, 128, 32)

    case = quantized(model, feeds=random_feeds(model, 2))

    assert case.plan.float_nodes["conv1"] == "cost: its neighbours are FP32"
    assert case.plan.float_nodes["relu1"] == "its producer 'conv1' stays FP32"
    assert "(4 channels a group)" in case.plan.float_nodes["grouped"]
    assert case.plan.int8_nodes == ("conv3",)
    check_case(case, {"conv3": "QLinearConv"})


@pytest.mark.parametrize(
    "model",
    [
        block(256, 64, 1),  # ResNet
        block(1024, 256, 1, "14, 14"),
        block(2048, 512, 1, "7, 7"),
        block(16, 96, 96, "112, 112"),  # MobileNet-v2, EfficientNet-Lite
        block(24, 144, 144),
        block(40, 240, 240, "28, 28", window=5),
        block(160, 960, 960, "7, 7"),
        block(24, 72, 72),  # depthwise on the slow path, but not so slow
        block(512, 256, 16, "28, 28"),  # 16 channels a group
    ],
)
def test_the_blocks_of_the_usual_networks_stay_int8(model: ir.Model) -> None:
    assert leave_slow(place(model)) == {}


def test_a_large_average_pool_stays_float() -> None:
    body = "[pool] b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [1, 1]>(a)"
    weights: Weights = {"w1": (100, 100, 3, 3), "b1": (100,), "w2": (16, 100, 3, 3)}
    model = between(body, weights, shape="1, 100, 56, 56")

    reasons = leave_slow(place(model))

    assert list(reasons) == ["pool"]
    assert reasons["pool"].endswith("times as fast here (its INT8 kernel is scalar)")


def test_a_size_that_is_open_has_no_cost_and_stays_int8() -> None:
    assert leave_slow(place(block(256, 128, 32, "S, 3136"))) == {}


@pytest.mark.parametrize("batch", ["1", "N", "64"])
def test_microseconds_of_an_image_are_no_reason(batch: str) -> None:
    model = between("[n] b = Conv<group = 4>(a, w)", {"w": (16, 4, 3, 3)}, shape=f"{batch}, 8, 12, 12")

    assert leave_slow(place(model)) == {}


@pytest.mark.parametrize(("output", "stays_float"), [("float[1, 72, 56, 56] a", True), ("int64[4] s", False)])
def test_a_tensor_that_is_dequantized_anyway_makes_float_cheaper(output: str, stays_float: bool) -> None:
    text = f"""g (float[1, 72, 56, 56] x) => (float[N, C, H, W] y, {output}) {{
        [conv1] a = Conv(x, w1)  [shape] s = Shape(a)
        [n] b = Conv<group = 72, pads = [1, 1, 1, 1]>(a, w)  [conv2] y = Conv(b, w2)
    }}"""
    model = parse(text, {"w1": (72, 72, 1, 1), "w": (72, 1, 3, 3), "w2": (72, 72, 1, 1)})

    assert ("n" in leave_slow(place(model))) == stays_float


@pytest.mark.parametrize(("channels", "stays_float"), [(16, True), (1024, False)])
def test_a_gain_that_is_nothing_against_the_model_is_left(channels: int, stays_float: bool) -> None:
    body = """[n] c = Conv<group = 4, pads = [1, 1, 1, 1]>(a, w)
              [wide] d = Conv(c, w3)  [deep] b = Conv<pads = [1, 1, 1, 1]>(d, w4)"""
    shapes = {
        "w": (16, 4, 3, 3),
        "w2": (16, channels, 3, 3),
        "w3": (channels, 16, 1, 1),
        "w4": (channels, channels, 3, 3),
    }
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    reasons = leave_slow(place(between(body, weights, shape="1, 8, 48, 48")))

    assert ("n" in reasons) == stays_float


def test_what_is_excluded_says_so() -> None:
    model = block(256, 128, 32)

    plan = quantized(model, Config(exclude=("grouped",)), random_feeds(model, 1)).plan

    assert plan.float_nodes["grouped"] == "excluded by 'grouped'"


def test_an_unknown_placement() -> None:
    assert list(PLACEMENTS) == ["all", "cost"]
    with pytest.raises(UsageError, match="unknown placement 'csot'; did you mean 'cost'"):
        quantized(between("[n] b = Relu(a)"), Config(placement="csot"))
