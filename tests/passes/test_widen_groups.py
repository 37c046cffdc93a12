from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyq8.graph_edit import constant, static_int
from pyq8.metrics.sqnr import sqnr
from pyq8.passes import prepare, widen_groups
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import ANYWHERE, FORMATS, Weights, check_case, parse, quantized


def network(group: int, attributes: str = "pads = [1, 1, 1, 1]") -> str:
    return f"""g (float[N, 8, 8, 9] x) => (float[N, 8, H, K] y) {{
        a = Conv(x, before, bias)
        [grouped] b = Conv<group = {group}, {attributes}>(a, w)
        y = Conv(b, behind)
    }}"""


def weights(inputs: int, group: int, outputs: int, kernel: tuple[int, ...] = (3, 3)) -> Weights:
    return {
        "before": (inputs, 8, 1, 1),
        "bias": (inputs,),
        "w": (outputs, inputs // group, *kernel),
        "behind": (8, outputs, 1, 1),
    }


@pytest.mark.parametrize(
    ("inputs", "group", "outputs", "left"),
    [
        (128, 64, 128, 4),
        (128, 32, 128, 4),
        (128, 16, 128, 4),
        (128, 8, 128, 4),
        (64, 16, 64, 1),
        (48, 4, 96, 1),
        (96, 4, 48, 1),
        (24, 2, 24, 1),
        (24, 24, 48, 1),  # depthwise with a multiplier
        (30, 3, 60, 1),  # off the packed kernel
    ],
)
def test_few_channels_a_group_become_more(inputs: int, group: int, outputs: int, left: int) -> None:
    result, new = apply(widen_groups, parse(network(group), weights(inputs, group, outputs)))

    assert result.changed == ("grouped",)
    conv = new.graph.node(1)
    wide = constant(conv.inputs[1])
    assert wide is not None
    assert static_int(conv, "group", 1) == left
    assert wide.shape == (outputs, inputs // left, 3, 3)
    assert np.count_nonzero(wide) == outputs * inputs // group * 9


@pytest.mark.parametrize("attributes", ["strides = [2, 1], dilations = [2, 3]", 'auto_pad = "SAME_UPPER"'])
def test_what_else_a_convolution_can_be(attributes: str) -> None:
    result, _ = apply(widen_groups, parse(network(8, attributes), weights(32, 8, 32, (2, 3))))
    assert result.changed == ("grouped",)


def test_one_spatial_axis() -> None:
    text = "g (float[N, 32, 9] x) => (float[N, 32, L] y) { [grouped] y = Conv<group = 8>(x, w, b) }"
    result, _ = apply(widen_groups, parse(text, {"w": (32, 4, 3), "b": (32,)}))
    assert result.changed == ("grouped",)


def test_a_weight_that_another_conv_reads_is_not_changed_for_it() -> None:
    text = """g (float[N, 32, 5, 5] x, float[N, 4, 5, 5] z) => (float[N, 32, 3, 3] y, float[N, 32, 3, 3] v) {
        y = Conv<group = 8>(x, w)
        v = Conv(z, w)
    }"""
    result, new = apply(widen_groups, parse(text, {"w": (32, 4, 3, 3)}))
    assert len(result.changed) == 1
    assert ops(new) == {"Conv": 2}


@pytest.mark.parametrize(
    ("inputs", "group", "outputs"),
    [
        (232, 2, 232),  # dense would be twice the products at hardly more a second
        (128, 2, 128),
        (128, 4, 128),
    ],
)
def test_refuses_where_the_groups_are_wide_enough(inputs: int, group: int, outputs: int) -> None:
    model = parse(network(group), weights(inputs, group, outputs))
    assert f"fewer than {group} groups would not be faster" in refusal(widen_groups, model, "grouped")


def test_a_weight_does_not_outgrow_the_cache() -> None:
    # given a weight of 1.3 MiB, for groups of 16 channels
    text = "g (float[1, 512, 13, 13] x) => (float[1, 512, 1, 1] y) { [grouped] y = Conv<group = 32>(x, w) }"
    model = parse(text, {"w": np.ones((512, 16, 13, 13), np.float32)})

    assert "over 2 MiB" in refusal(widen_groups, model, "grouped")


def test_refuses_what_stays_float() -> None:
    text = "g (float[N, 32, 5, 5] x, float[32] b) => (float[N, 32, 5, 5] y) { [grouped] y = Conv<group = 8>(x, w, b) }"
    assert "stay FP32" in refusal(widen_groups, parse(text, {"w": (32, 4, 1, 1)}), "grouped")


@pytest.mark.parametrize(("group", "outputs"), [(1, 32), (32, 32)])
def test_leaves_alone_what_has_no_groups_or_is_depthwise(group: int, outputs: int) -> None:
    result = widen_groups.run(parse(network(group), weights(32, group, outputs)))
    assert not result.changed and not result.refused


RESNEXT = """g (float[1, 16, 12, 12] x) => (float[1, 32, 12, 12] y) {
    [stem] s = Conv(x, ws)  r0 = Relu(s)
    [reduce] a = Conv(r0, wa, b)  r1 = Relu(a)
    [grouped] c = Conv<group = 16, pads = [1, 1, 1, 1]>(r1, wg, b)  r2 = Relu(c)
    [expand] e = Conv(r2, we)
    [add] d = Add(e, r0)  r3 = Relu(d)
    [last] y = Conv(r3, wl)
}"""
RESNEXT_WEIGHTS: Weights = {
    "ws": (32, 16, 1, 1), "wa": (64, 32, 1, 1), "wg": (64, 4, 3, 3), "we": (32, 64, 1, 1), "wl": (32, 32, 1, 1),
    "b": (64,),
}  # fmt: skip


@pytest.mark.cpu
def test_a_resnext_block_runs_on_the_packed_kernels_and_loses_nothing_by_it() -> None:
    # given
    model = parse(RESNEXT, RESNEXT_WEIGHTS)

    # when
    plain, wide = quantized(model, replace(ANYWHERE, placement="all")), quantized(prepare(model).model, ANYWHERE)

    # then
    convs = ("stem", "reduce", "grouped", "expand", "last")
    check_case(wide, dict.fromkeys(convs, "QLinearConv"))
    for name in FORMATS:
        assert plain.row(name, "grouped").reason == "it has 16 groups"
        assert all(wide.row(name, conv).fast for conv in convs)
        for reference, before, after in zip(plain.reference, plain.outputs[name], wide.outputs[name], strict=True):
            assert sqnr(reference, after) >= sqnr(reference, before) - 0.5
