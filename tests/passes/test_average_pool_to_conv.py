from __future__ import annotations

import re

import numpy as np
import pytest

from pyq8.passes import average_pool_to_conv
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {"w1": (16, 8, 3, 3), "w2": (4, 16, 1, 1), "v1": (12, 8, 3, 3), "v2": (4, 12, 1, 1)}


def network(attributes: str, size: str = "9, 11", first: str = "w1", second: str = "w2") -> str:
    return f"""g (float[N, 8, {size}] x) => (float[N, 4, H, K] y) {{
        a = Conv<pads = [1, 1, 1, 1]>(x, {first})
        [pool] b = AveragePool<{attributes}>(a)
        y = Conv(b, {second})
    }}"""


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [3, 3]",
        "kernel_shape = [2, 3], strides = [2, 1]",
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1",
        "kernel_shape = [3, 2], pads = [0, 1, 1, 0], strides = [2, 2], count_include_pad = 1",
    ],
)
def test_a_pool_becomes_a_depthwise_conv(attributes: str) -> None:
    result, new = apply(average_pool_to_conv, parse(network(attributes), W))
    assert result.changed == ("pool",)
    assert ops(new) == {"Conv": 3}


@pytest.mark.parametrize(
    "attributes",
    [
        "kernel_shape = [3, 3], pads = [1, 1, 1, 1]",
        "kernel_shape = [3, 3], pads = [0, 2, 2, 1], strides = [2, 3]",
        "kernel_shape = [5, 4], pads = [2, 0, 2, 3]",
    ],
)
def test_edges_are_right_where_padding_is_not_counted(attributes: str) -> None:
    result, new = apply(average_pool_to_conv, parse(network(attributes), W))
    assert result.changed == ("pool",)
    assert ops(new) == {"Conv": 3, "Mul": 1}


def test_an_edge_map_of_ones_would_be_noticed() -> None:
    _, new = apply(average_pool_to_conv, parse(network("kernel_shape = [3, 3], pads = [1, 1, 1, 1]"), W))
    value = new.graph.initializers["pool_edges"].const_value
    assert value is not None
    edges = value.numpy()
    assert edges.shape == (1, 1, 9, 11)
    np.testing.assert_allclose([edges[0, 0, 0, 0], edges[0, 0, 0, 5], edges[0, 0, 4, 5]], [2.25, 1.5, 1.0])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (network("kernel_shape = [3, 3]", first="v1", second="v2"), "12 channels are no multiple of 16"),
        (network("kernel_shape = [3, 3], pads = [1, 1, 1, 1]", size="H0, W0"), "size of its input is not fixed"),
        (network('kernel_shape = [3, 3], auto_pad = "SAME_UPPER"'), "pads automatically"),
        (network("kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1"), "would stay FP32|rounds its size up"),
        (
            "g (float[N, 8, 9, 9] x) => (float[N, 16, H, K] y) { a = Conv(x, w1) [pool] y = AveragePool"
            "<kernel_shape = [3, 3]>(a) }",
            "would stay FP32",
        ),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    assert re.search(reason, refusal(average_pool_to_conv, parse(text, W), "pool"))
