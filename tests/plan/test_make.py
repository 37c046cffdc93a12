"""make_plan: which nodes become INT8, which stay FP32 and why; what --exclude does."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pyq8.calibration.observers import OBSERVERS
from pyq8.errors import CalibrationError, UsageError
from pyq8.plan.make import keep_float, make_plan
from pyq8.types import Config, Plan
from tests.small_models import FORMATS, Weights, between, check_case, parse, quantized, random_feeds

BODY = "[layer1_relu] c = Relu(a) [layer1_pool] d = MaxPool<kernel_shape = [2, 2]>(c) [layer2_conv] b = Conv(d, w)"
WEIGHTS: Weights = {"w": (16, 16, 1, 1)}


def plan(*exclude: str, body: str = BODY) -> Plan:
    return quantized(between(body, WEIGHTS if "w)" in body else {}), Config(exclude=exclude)).plan


def test_everything_between_the_convolutions_is_int8() -> None:
    found = plan()

    assert found.int8_nodes == ("conv1", "layer1_pool", "layer2_conv", "conv2")
    assert dict(found.absorbed) == {"layer1_relu": "conv1"}
    assert found.float_nodes == {}
    assert set(found.qparams) == {"x", "c", "d", "b", "y", "w", "w1", "w2"}


def test_excluding_one_node_by_name() -> None:
    assert plan("layer2_conv").float_nodes == {"layer2_conv": "excluded by 'layer2_conv'"}


def test_excluding_by_pattern() -> None:
    found = plan("layer?_*")

    assert found.int8_nodes == ("conv2",)
    assert {r for n, r in found.float_nodes.items() if n != "layer1_relu"} == {"excluded by 'layer?_*'"}


@pytest.mark.parametrize("name", ["conv1", "layer1_relu"])
def test_excluding_either_node_of_an_absorbed_pair_excludes_both(name: str) -> None:
    found = plan(name)

    assert found.float_nodes["conv1"] == f"excluded by {name!r}"
    assert found.float_nodes["layer1_relu"] == "its producer 'conv1' stays FP32"
    assert found.float_nodes["layer1_pool"] == "what it reads is FP32"
    assert found.int8_nodes == ("layer2_conv", "conv2")
    assert dict(found.absorbed) == {}


def test_a_pattern_that_matches_nothing() -> None:
    with pytest.raises(UsageError, match=r"--exclude 'layer9\*' matches no node"):
        plan("layer9*")


def test_a_name_with_brackets_matches_itself_first() -> None:
    model = between("[n] c = Relu(a) [n0] b = Conv(c, w)", WEIGHTS)
    next(n for n in model.graph if n.name == "n").name = "n[0]"

    found = quantized(model, Config(exclude=("n[0]",))).plan

    assert "n0" in found.int8_nodes
    assert found.float_nodes["conv1"] == "excluded by 'n[0]'"


def test_everything_excluded_is_the_float_model() -> None:
    case = quantized(between("[n] b = Relu(a)"), Config(exclude=("*",)))

    assert case.plan.int8_nodes == ()
    for name in FORMATS:
        np.testing.assert_array_equal(case.outputs[name][0], case.reference[0])


def test_a_calibration_of_another_model_is_refused() -> None:
    case = quantized(between("[n] b = Relu(a)"))
    other = between("[n] b = Sigmoid(a)")

    with pytest.raises(CalibrationError, match="calibrate again"):
        make_plan(other, case.calibration, Config())


@pytest.mark.parametrize("observer", list(OBSERVERS))
def test_every_observer_makes_a_plan_that_works_and_survives_json(observer: str) -> None:
    case = quantized(between(BODY, WEIGHTS), Config(observer=observer))

    check_case(case, {"conv1": "QLinearConv", "layer1_pool": "NhwcMaxPool"}, minimum=20)
    assert Plan.from_json(json.loads(json.dumps(case.plan.to_json()))) == case.plan


def test_printing_says_what_stays_float_and_why() -> None:
    case = quantized(between("[act] b = HardSwish(a)"))

    assert str(case.plan).splitlines()[0] == "2 nodes INT8, 1 nodes FP32"
    assert "  act: FP32, ONNX Runtime has no INT8 HardSwish" in str(case.plan)


def test_integer_arithmetic_on_shapes_is_left_alone() -> None:
    text = """g (float[1, 8, H, W] x) => (float[N, C, I, J] y) {
        [conv1] a = Conv(x, w1)  [shape] s = Shape(a)  [front] f = Slice(s, zero, two)
        [join] t = Concat<axis = 0>(f, rest)  [view] v = Reshape(a, t)  [conv2] y = Conv(v, w2)
    }"""
    weights: Weights = {
        "w1": (16, 8, 1, 1),
        "w2": (4, 16, 1),
        "zero": np.array([0]),
        "two": np.array([2]),
        "rest": np.array([-1]),
    }
    model = parse(text.replace("I, J", "I"), weights)
    feeds = [{"x": f["x"].repeat(5, axis=2).repeat(4, axis=3)} for f in random_feeds(model)]

    case = quantized(model, feeds=feeds)

    assert case.plan.int8_nodes == ("conv1", "view", "conv2")
    check_case(case, {"conv1": "QLinearConv", "view": "Reshape", "conv2": "QLinearConv"})


@pytest.mark.parametrize("pattern", ["conv1", "layer1_relu", "layer1_pool", "layer2_conv", "conv2", "layer?_*"])
def test_keeping_nodes_fp32_later_gives_the_plan_that_excluding_them_gives(pattern: str) -> None:
    case = quantized(between(BODY, WEIGHTS), Config())

    assert keep_float(case.model, case.plan, [pattern]) == plan(pattern)


def test_a_plan_of_another_model_is_refused() -> None:
    case = quantized(between(BODY, WEIGHTS), Config())

    with pytest.raises(CalibrationError, match="no parameters for tensor 'b': it was made for another model"):
        keep_float(case.model, replace(case.plan, qparams={"z": case.plan.qparams["x"]}))


def test_codes_survive_json() -> None:
    codes = np.arange(-127, 129, dtype=np.int8).reshape(2, 2, 8, 8)
    found = replace(plan(), codes={"w": codes})

    back = Plan.from_json(json.loads(json.dumps(found.to_json())))

    assert back == found
    np.testing.assert_array_equal(back.codes["w"], codes)
