from __future__ import annotations

import pytest

from pyq8.passes import hard_sigmoid_to_conv
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {"w1": (16, 8, 3, 3), "w2": (4, 16, 1, 1), "flat": (16, 4)}


def network(operator: str) -> str:
    return f"""g (float[N, 8, 9, 9] x) => (float[N, 4, H, K] y) {{
        a = Conv(x, w1)
        [act] b = {operator}(a)
        y = Conv(b, w2)
    }}"""


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("HardSigmoid", {"Conv": 3, "Clip": 1}),
        ("HardSigmoid<alpha = 0.1666667, beta = 0.5>", {"Conv": 3, "Clip": 1}),
        ("HardSwish", {"Conv": 3, "Clip": 1, "Mul": 1}),
    ],
)
def test_becomes_a_depthwise_conv_and_a_clip(operator: str, expected: dict[str, int]) -> None:
    result, new = apply(hard_sigmoid_to_conv, parse(network(operator), W))
    assert result.changed == ("act",)
    assert ops(new) == expected
    assert {v.name for node in new.graph for v in node.outputs} >= {"b", "y"}


def test_refuses_behind_the_last_convolution() -> None:
    text = "g (float[N, 8, 9, 9] x) => (float[N, 16, 7, 7] y) { a = Conv(x, w1) [act] y = HardSwish(a) }"
    assert "not between convolutions" in refusal(hard_sigmoid_to_conv, parse(text, W), "act")


def test_refuses_what_is_no_feature_map() -> None:
    text = """g (float[N, 8, 3, 3] x) => (float[N, 4] y) {
        a = Conv(x, w1)
        f = Flatten(a)
        [act] b = HardSwish(f)
        y = Gemm(b, flat)
    }"""
    assert "[N, C, H, W]" in refusal(hard_sigmoid_to_conv, parse(text, W), "act")
