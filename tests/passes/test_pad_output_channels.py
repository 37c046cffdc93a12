from __future__ import annotations

import numpy as np
import pytest

from pyq8.passes import pad_output_channels
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {
    "w": (18, 8, 3, 3), "b": (18,), "even": (20, 8, 1, 1), "small": (6, 8, 1, 1), "odd": (18, 3, 1, 1),
    "grouped": (18, 4, 1, 1),
}  # fmt: skip


def test_channels_of_zeros_are_added_and_sliced_off() -> None:
    text = "g (float[N, 8, 5, 5] x) => (float[N, 18, 5, 5] y) { [head] y = Conv<pads = [1, 1, 1, 1]>(x, w, b) }"
    result, new = apply(pad_output_channels, parse(text, W))
    assert result.changed == ("head",)
    assert ops(new) == {"Conv": 1, "Slice": 1}
    weight = new.graph.node(0).inputs[1]
    assert weight is not None and weight.const_value is not None
    assert weight.const_value.shape.numpy() == (20, 8, 3, 3)
    assert not np.any(weight.const_value.numpy()[18:])


def test_a_conv_without_bias_stays_without() -> None:
    text = "g (float[N, 8, 5, 5] x) => (float[N, 18, 3, 3] y) { y = Conv(x, w) }"
    _, new = apply(pad_output_channels, parse(text, W))
    assert len(new.graph.node(0).inputs) == 2


def test_a_weight_that_another_conv_reads_is_not_changed_for_it() -> None:
    text = """g (float[N, 8, 5, 5] x) => (float[N, 18, 3, 3] y, float[N, 18, 3, 3] z) {
        y = Conv(x, w, b)
        z = Conv(x, w)
    }"""
    result, new = apply(pad_output_channels, parse(text, W))
    assert len(result.changed) == 2
    assert ops(new) == {"Conv": 2, "Slice": 2}
    first, second = (node for node in new.graph if node.op_type == "Conv")
    assert first.inputs[1] is second.inputs[1]  # stored once, as it was


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("float[N, 8, 5, 5] x) => (float[N, 6, 5, 5] y) { [head] y = Conv(x, small)", "fewer than 16"),
        ("float[N, 3, 5, 5] x) => (float[N, 18, 5, 5] y) { [head] y = Conv(x, odd)", "misses the fast kernel anyway"),
    ],
)
def test_refuses(body: str, reason: str) -> None:
    assert reason in refusal(pad_output_channels, parse(f"g ({body} }}", W), "head")


@pytest.mark.parametrize(
    "body",
    [
        "float[N, 8, 5, 5] x) => (float[N, 20, 5, 5] y) { y = Conv(x, even)",
        "float[N, 8, 5, 5] x) => (float[N, 18, 5, 5] y) { y = Conv<group = 2>(x, grouped)",
    ],
)
def test_leaves_alone_what_has_no_need(body: str) -> None:
    result = pad_output_channels.run(parse(f"g ({body} }}", W))
    assert not result.changed and not result.refused
