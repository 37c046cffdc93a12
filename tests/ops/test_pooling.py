"""Pooling, between two convolutions."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.metrics.sqnr import sqnr

from ..small_models import FORMATS, NEWEST, OLDEST, Weights, between, check_case, check_float, check_valid, quantized


@pytest.mark.parametrize("opset", [OLDEST, 17, 22, NEWEST])
@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]",
        "kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1",
        "kernel_shape = [3, 3], dilations = [2, 2]",
    ],
)
def test_max_pool(attributes: str, opset: int) -> None:
    case = quantized(between(f"[n] b = MaxPool<{attributes}>(a)", opset=opset))

    check_case(case, {"n": "NhwcMaxPool"})
    assert case.plan.qparams["a"] == case.plan.qparams["b"]


def test_max_pool_with_indices_that_nobody_reads() -> None:
    check_case(quantized(between("[n] b, i = MaxPool<kernel_shape = [2, 2]>(a)")), {"n": "NhwcMaxPool"})


def test_max_pool_whose_indices_are_read_stays_float() -> None:
    body = """[n] m, i = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)
              [back] b = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(m, i)"""

    case = quantized(between(body))

    assert case.plan.float_nodes["n"] == "its indices are read"
    for name in FORMATS:
        check_valid(case.quantized[name])
        assert not case.row(name, "n").int8
        assert sqnr(case.reference[0], case.outputs[name][0]) > 10  # a rounded tie may move a maximum


@pytest.mark.parametrize("opset", [OLDEST, 19, NEWEST])
@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1]",
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1",
        "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1",
        'kernel_shape = [3, 3], auto_pad = "SAME_UPPER"',
    ],
)
def test_average_pool(attributes: str, opset: int) -> None:
    check_case(quantized(between(f"[n] b = AveragePool<{attributes}>(a)", opset=opset)), {"n": "QLinearAveragePool"})


def test_average_pool_that_says_it_is_not_dilated() -> None:
    model = between("[n] b = AveragePool<kernel_shape = [2, 2], dilations = [1, 1]>(a)", opset=19)

    check_case(quantized(model), {"n": "QLinearAveragePool"})


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ("dilations = [2, 2]", "it is dilated"),
        ("strides = [2, 2], ceil_mode = 1, count_include_pad = 1", "counts pixels beyond the padding"),
    ],
)
def test_average_pool_that_the_int8_kernel_gets_wrong(attributes: str, reason: str) -> None:
    model = between(f"[n] b = AveragePool<kernel_shape = [3, 3], {attributes}>(a)", opset=19)

    check_float(quantized(model), "n", reason)


def test_global_average_pool() -> None:
    check_case(quantized(between("[n] b = GlobalAveragePool(a)")), {"n": "QLinearGlobalAveragePool"})


def test_reduce_mean_over_channels_stays_float() -> None:
    weights: Weights = {"axes": np.array([1]), "w2": (16, 1, 3, 3)}

    check_float(
        quantized(between("[n] b = ReduceMean(a, axes)", weights, 18)), "n", "only a mean over height and width"
    )
