"""find_kernels: it reads the graph that runs, so that a model that only looks quantized is found out."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from pyq8 import cpu, kernels
from pyq8.api import weight_type
from pyq8.rewrite import rewrite
from pyq8.types import Config
from pyq8.verify.kernels import KernelReport, KernelRow, find_kernels

from ..small_models import FORMATS, Weights, between, parse, quantized

pytestmark = pytest.mark.cpu
HERE = Config(weight_type=weight_type("auto"))
"""What is made for this CPU."""


def rows(model: ir.Model) -> dict[str, KernelRow]:
    return {row.node: row for row in find_kernels(model).rows}


@pytest.mark.parametrize(
    ("channels", "group", "outputs", "missed"),
    [
        (16, 1, 16, ""),
        (16, 1, 8, "8 output channels are fewer than 16"),
        (16, 1, 18, "18 output channels are no multiple of 4"),
        (3, 1, 16, "3 input channels are no multiple of 4"),
        (16, 16, 16, ""),
        (24, 24, 24, "24 depthwise channels are no multiple of 16"),
        (16, 4, 16, "it has 4 groups"),
        (16, 16, 32, "it has 16 groups"),
    ],
)
def test_which_condition_of_the_fast_path_is_missed(channels: int, group: int, outputs: int, missed: str) -> None:
    text = f"g (float[1, {channels}, 6, 6] x) => (float[N, C, H, W] y) {{ [n] y = Conv<group = {group}>(x, w) }}"

    case = quantized(parse(text, {"w": (outputs, channels // group, 3, 3)}), HERE)

    for name in FORMATS:
        row = case.row(name, "n")
        assert (row.int8, row.fast, row.reason) == (True, not missed, missed)


def test_weights_that_saturate_here_run_as_uint8_and_it_says_so() -> None:
    case = quantized(between("[r] b = Relu(a)"), Config())

    for name in FORMATS:
        row = case.row(name, "conv2")
        assert row.int8
        assert row.fast is not cpu.cpu_class().saturates
        assert ("saturate on this CPU" in row.reason) is cpu.cpu_class().saturates


def test_the_counts() -> None:
    text = """g (float[1, 3, 9, 9] x) => (float[N, C, H, W] y) {
        [one] a = Conv(x, w1)  [two] b = Conv(a, w2)  [three] y = Conv(b, w3)
    }"""
    weights: Weights = {"w1": (16, 3, 3, 3), "w2": (16, 16, 3, 3), "w3": (16, 16, 3, 3)}
    case = quantized(parse(text, weights), replace(HERE, exclude=("three",)))

    for name in FORMATS:
        report = case.kernels(name)
        assert (len(report.convolutions), report.int8_convolutions, report.fast_convolutions) == (3, 2, 1)
        assert str(report) == "2/3 convolutions on INT8 kernels, 1 on the fast path"
        assert report.reasons() == {"excluded by 'three'": 1}
        assert KernelReport.from_json(json.loads(json.dumps(report.to_json()))) == report


@pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
def test_why_no_region_computes_an_integer_node() -> None:
    text = """g (float[N, 16, 9, 9] x) => (float[N, C, H, W] y) {
        [one] a = Conv(x, w1)  [same] b = Conv<auto_pad = "SAME_UPPER">(a, w1)  [two] y = Conv(b, w1)
    }"""
    case = quantized(parse(text, {"w1": (16, 16, 3, 3)}), replace(HERE, placement="all"))

    rows = find_kernels(rewrite(case.model, case.plan, "pyq8")).rows

    assert {r.node: r.reason for r in rows if r.int8 and r.kernel != "pyq8.Region"} == {
        "same": "outside of the regions: auto_pad SAME_UPPER"
    }


@pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")
def test_a_region_without_names_is_a_row() -> None:
    text = "g (float[N, 16, 9, 9] x) => (float[N, C, H, W] y) { [one] y = Conv(x, w1) }"
    case = quantized(parse(text, {"w1": (16, 16, 3, 3)}))
    model = rewrite(case.model, case.plan, "pyq8")
    (node,) = model.graph
    del node.attributes["names"]

    assert rows(model) == {node.name: KernelRow(str(node.name), "Region", "pyq8.Region", True, None, "")}


def test_an_fp32_convolution_is_found_behind_what_was_folded_into_it() -> None:
    weights: Weights = {"w": (16, 8, 3, 3), **dict.fromkeys("sbm", (16,)), "v": np.ones(16, np.float32)}
    text = """g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y) {
        [conv] a = Conv(x, w)  c = BatchNormalization(a, s, b, m, v)  d = Relu(c)  y = MaxPool<kernel_shape = [2, 2]>(d)
    }"""
    assert rows(parse(text, weights))["conv"].kernel == "com.microsoft.nchwc.Conv"


def test_a_float_model_names_its_float_kernels() -> None:
    found = rows(between("[r] b = Relu(a)"))

    assert not any(row.int8 for row in found.values())
    assert found["conv1"].kernel.endswith("Conv")  # with its Relu fused into it
    assert found["conv2"].kernel.endswith("Conv")
    assert found["r"].kernel == ""


def test_int8_activations_that_look_quantized_and_run_in_float() -> None:
    """What ONNX Runtime's own defaults do: an int8 residual is read twice, and nothing around it is fused."""
    case = quantized(between("[n] b = Add(a, a)"))
    model = case.quantized["qdq"]
    for node in model.graph:
        if node.name == "a_QuantizeLinear":  # a reader of the float tensor: the convolution cannot be fused
            spy = ir.node("Neg", [node.inputs[0]], name="spy")
            model.graph.insert_before(node, spy)
            spy.outputs[0].name = "spied"
            spy.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
            spy.outputs[0].shape = node.inputs[0].shape  # type: ignore[union-attr]
            model.graph.outputs.append(spy.outputs[0])

    found = rows(model)

    assert not found["conv1"].int8
    assert found["conv1"].reason == "ONNX Runtime did not fuse it with the quantization around it"
    assert found["conv2"].int8


def test_nodes_without_names() -> None:
    case = quantized(between("[n] b = HardSigmoid(a)"))
    for name in FORMATS:
        model = case.quantized[name]
        for node in model.graph:
            node.name = None

        report = find_kernels(model)

        assert (len(report.convolutions), report.int8_convolutions) == (2, 2)
        assert [row.int8 for row in report.rows if row.op_type == "HardSigmoid"] == [False]
        assert all(node.name is None for node in model.graph)


@pytest.mark.parametrize("name", ["token_3", "nhwc", "nchwc"])
def test_names_that_look_like_the_runtimes_own(name: str) -> None:
    model = between("[n] b = HardSigmoid(a)")
    for node in model.graph:
        if node.name in ("conv1", "n"):
            node.name = f"{node.name}_{name}"

    case = quantized(model)

    for form in FORMATS:
        assert case.row(form, f"conv1_{name}").int8
        assert case.row(form, f"n_{name}").kernel == "HardSigmoid"


def test_what_moves_an_int8_tensor_and_costs_nothing_counts_as_int8() -> None:
    case = quantized(between("[n] b = Transpose<perm = [0, 1, 3, 2]>(a)"))

    for name in FORMATS:
        row = case.row(name, "n")
        assert (row.kernel, row.int8) == ("", True)


def test_weights_with_a_zero_point_are_not_on_the_fast_path() -> None:
    case = quantized(between("[n] b = Relu(a)"), HERE)
    model = rewrite(case.model, case.plan, "qoperator")
    for node in model.graph:
        if node.name == "conv2":
            zero = ir.Value(name="one", const_value=ir.tensor(np.ones(16, np.int8)))
            zero.type, zero.shape = ir.TensorType(ir.DataType.INT8), ir.Shape([16])
            model.graph.register_initializer(zero)
            node.replace_input_with(5, zero)

    found = rows(model)

    assert (found["conv1"].fast, found["conv2"].fast) == (True, False)
    assert found["conv2"].reason == "its weight has a zero point"


def test_the_report_lists_no_boundaries_and_counts_operators() -> None:
    case = quantized(between("[n] b = HardSwish(a)"), Config(exclude=("conv2",)))

    for name in FORMATS:
        report = case.kernels(name)
        assert [row.node for row in report.rows] == ["conv1", "n", "conv2"]
