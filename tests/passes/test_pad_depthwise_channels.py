from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.graph_edit import constant
from pyq8.passes import pad_depthwise_channels, prepare
from pyq8.types import Config
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import ANYWHERE, FORMATS, Weights, check_case, parse, quantized

W: Weights = {
    "we": (40, 8, 1, 1), "be": (40,), "wd": (40, 1, 3, 3), "bd": (40,), "w1": (12, 40, 1, 1), "b1": (12,),
    "w2": (40, 12, 1, 1), "b2": (40,), "wp": (16, 40, 1, 1), "square": (40, 40, 1, 1), "each": (40, 1, 1),
    "map": (1, 1, 10, 10), "row": (10,), "three": np.float32(3), "six": np.float32(6), "zero": np.float32(0),
    "nan": np.full((40, 1, 1), np.nan, np.float32), "back": np.array([0, 40, 10, 10]), "wg": (40, 20, 1, 1),
    "half": (40, 80, 1, 1), "one": (1, 8, 1, 1), "fours": (40, 4, 3, 3),
}  # fmt: skip


def network(body: str, inputs: str = "", outputs: str = "") -> ir.Model:
    """A depthwise convolution of 40 channels writes `d`, and another convolution reads what `body` makes of it, `b`."""
    return parse(
        f"""g (float[N, 8, 10, 10] x{inputs}) => (float[N, 16, H, K] y{outputs}) {{
            [expand] a = Conv(x, we, be)
            [depthwise] d = Conv<group = 40, pads = [1, 1, 1, 1]>(a, wd, bd)
            {body}
            [project] y = Conv(b, wp)
        }}""",
        W,
    )


def shapes(model: ir.Model) -> dict[str | None, tuple[int, ...]]:
    """Convolution -> the shape of its weight."""
    found = {n.name: constant(n.inputs[1]) for n in model.graph if n.op_type == "Conv"}
    return {name: weight.shape for name, weight in found.items() if weight is not None}


SE = """r = Relu(d)
    s = GlobalAveragePool(r)
    [squeeze] f = Conv(s, w1, b1)  g = Relu(f)
    [excite] e = Conv(g, w2, b2)
    [gate] h = HardSigmoid(e)
    b = Mul(h, r)"""


def test_squeeze_and_excite_between_is_padded_with_it() -> None:
    model = network(SE)
    result, new = apply(pad_depthwise_channels, model)

    assert result.changed == ("depthwise",)
    assert ops(new) == ops(model)
    assert shapes(new) == {
        "expand": (48, 8, 1, 1),
        "depthwise": (48, 1, 3, 3),
        "squeeze": (12, 48, 1, 1),
        "excite": (48, 12, 1, 1),
        "project": (16, 48, 1, 1),
    }
    for name in ("a", "d", "r", "s", "e", "h", "b"):
        (value,) = [v for node in new.graph for v in node.outputs if v.name == name]
        assert value.shape is not None and value.shape[1] == 48


@pytest.mark.cpu
def test_a_mobilenet_v3_block_runs_on_the_fast_kernels() -> None:
    # given
    model = network(SE)

    # when the gate has become a depthwise convolution of one pixel
    prepared = prepare(model)
    case = quantized(prepared.model, ANYWHERE)

    # then
    (result,) = [p for p in prepared.passes if p.name == "pad_depthwise_channels"]
    assert result.changed == ("depthwise", "gate_linear")
    check_case(case, dict.fromkeys(("expand", "depthwise", "gate_linear", "project"), "QLinearConv"))
    for name in FORMATS:
        assert quantized(model, ANYWHERE).row(name, "depthwise").reason == "40 depthwise channels are no multiple of 16"
        rows = {row.node: row.fast for row in case.kernels(name).convolutions}
        assert [node for node, fast in rows.items() if not fast] == ["squeeze"]  # 12 output channels


def test_one_of_a_single_pixel_is_padded_with_others_and_not_refused() -> None:
    text = """g (float[N, 8, 10, 10] x) => (float[N, 16, 8, 8] y) {
        a = Conv(x, we)  s = GlobalAveragePool(a)
        [gate] g = Conv<group = 40>(s, pixel)
        [depthwise] d = Conv<group = 40>(a, wd)
        b = Mul(d, g)  y = Conv(b, wp)
    }"""
    result, _ = apply(pad_depthwise_channels, parse(text, {**W, "pixel": (40, 1, 1, 1)}))
    assert set(result.changed) == {"depthwise", "gate"}
    assert not result.refused


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("[other] b = AveragePool<kernel_shape = [3, 3]>(d)", "average_pool_to_conv"),
        ("[other] b = Conv<group = 10>(d, fours)", "widen_groups"),
    ],
)
def test_with_the_other_passes(body: str, before: str) -> None:
    changed = {result.name: result.changed for result in prepare(network(body)).passes}
    assert changed[before] == ("other",)
    assert changed["pad_depthwise_channels"] == ("depthwise",)


@pytest.mark.parametrize(
    "body",
    [
        "b = Relu(d)",
        "b = Clip(d, three, six)",
        "b = LeakyRelu(d)",
        "b = Sigmoid(d)",
        "b = HardSwish(d)",
        "b = MaxPool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(d)",
        "b = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(d)",
        "b = Mul(d, d)",
        "b = Mul(d, each)",
        "b = Add(each, d)",
        "b = Mul(d, map)",
        "b = Mul(d, row)",
        "p = Add(d, three) q = Clip(p, zero, six) b = Mul(d, q)",
        "b = Add(d, a)",
        "p = Conv(x, we) b = Add(d, p)",
    ],
)
def test_what_may_lie_between(body: str) -> None:
    result, new = apply(pad_depthwise_channels, network(body))
    assert result.changed == ("depthwise",)
    assert shapes(new)["depthwise"] == (48, 1, 3, 3)


def test_a_residual_convolution_gets_more_inputs_and_outputs() -> None:
    result, new = apply(pad_depthwise_channels, network("[again] c = Conv(d, square) b = Add(c, d)"))
    assert result.changed == ("depthwise",)
    assert shapes(new)["again"] == (48, 48, 1, 1)


def test_a_map_of_one_channel_stays() -> None:
    result, new = apply(pad_depthwise_channels, network("[attend] m = Conv(x, one) b = Mul(d, m)"))
    assert result.changed == ("depthwise",)
    assert shapes(new)["attend"] == (1, 8, 1, 1)


def test_several_in_one_chain_are_padded_once() -> None:
    result, new = apply(pad_depthwise_channels, network("[second] b = Conv<group = 40>(d, wd)"))
    assert set(result.changed) == {"depthwise", "second"}
    assert shapes(new)["depthwise"] == shapes(new)["second"] == (48, 1, 3, 3)


def test_a_weight_that_another_conv_reads_is_not_changed_for_it() -> None:
    model = network("b = Relu(d)  [other] z = Conv(x, we)", outputs=", float[N, 40, 10, 10] z")
    _, new = apply(pad_depthwise_channels, model)
    assert shapes(new)["other"] == (40, 8, 1, 1)
    assert shapes(new)["expand"] == (48, 8, 1, 1)


BODY = """c = GlobalAveragePool(x) m = ReduceMax<keepdims = 0>(c) t = Greater(m, zero)
    b = If(t) <
        then_branch = g1 () => (float[N, 40, 10, 10] u) { u = Neg(d) },
        else_branch = g2 () => (float[N, 40, 10, 10] w) { w = Abs(d) }
    >"""


@pytest.mark.parametrize(
    ("body", "inputs", "outputs", "reason"),
    [
        ("p = Concat<axis = 1>(d, a) [rest] b = Conv(p, half)", "", "", "Concat"),
        ("s = Constant<value = int64[2] {0, 4000}>() f = Reshape(d, s) b = Reshape(f, back)", "", "", "Reshape"),
        ("b = Softmax<axis = 1>(d)", "", "", "Softmax"),
        ("b = Div(d, a)", "", "", "Div"),
        ("[pairs] b = Conv<group = 2>(d, wg)", "", "", "'pairs' has 2 groups"),
        ("b = Clip(d, zero, k)", ", float k", "", "a limit of"),
        ("b, i = MaxPool<kernel_shape = [3, 3]>(d)", "", ", int64[N, 40, 8, 8] i", "indices of"),
        ("b = Mul(d, v)", ", float[N, 40, 10, 10] v", "", "'v' with these channels is an input"),
        ("b = Mul(d, v)", ", float[40, 1, 1] v", "", "'v' is not known to have 40 channels"),
        ("b = Conv(d, v)", ", float[40, 40, 1, 1] v", "", "is not a constant"),
        ("p = Conv(x, we, v) b = Add(d, p)", ", float[40] v", "", "is not a constant"),
        ("b = Relu(d)", "", ", float[N, 40, 10, 10] b", "'b' with these channels is an output"),
        (BODY, "", "", "body of a Loop, If or Scan"),
    ],
)
def test_refuses_where_the_channels_must_stay(body: str, inputs: str, outputs: str, reason: str) -> None:
    assert reason in refusal(pad_depthwise_channels, network(body, inputs, outputs), "depthwise")


@pytest.mark.parametrize(
    ("channels", "size", "body", "reason"),
    [
        (20, 9, "d = Conv<group = 20>(a, w) y = Conv(d, behind)", "12 more than its 20 channels"),
        (40, 3, "d = Conv<group = 40>(a, w) y = Conv(d, behind)", "it computes one pixel"),
        (40, 9, "d = Conv<group = 40>(a, w) y = Relu(d)", "'y' with these channels is an output"),
        (40, 9, "d = Conv<group = 40>(a, w, free) y = Conv(d, behind)", "it would stay FP32"),
    ],
)
def test_refuses(channels: int, size: int, body: str, reason: str) -> None:
    text = f"""g (float[N, 8, {size}, {size}] x, float[{channels}] free) => (float[N, C, H, K] y) {{
        a = Conv(x, before)
        {body.replace("d = ", "[depthwise] d = ")}
    }}"""
    weights: Weights = {
        "before": (channels, 8, 1, 1), "w": (channels, 1, 3, 3), "behind": (channels, channels, 1, 1),
    }  # fmt: skip
    assert reason in refusal(pad_depthwise_channels, parse(text, weights), "depthwise")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("b = Mul(d, nan)", "holds NaN or infinity"),  # times zero it would be NaN everywhere
        ("b = com.microsoft.Sigmoid(d)", "does not work channel by channel"),
    ],
)
def test_refuses_what_cannot_be_compared(body: str, reason: str) -> None:
    result = pad_depthwise_channels.run(network(body))
    assert not result.changed
    assert reason in result.refused["depthwise"]


@pytest.mark.parametrize("channels", [32, 48])
def test_leaves_alone_what_is_a_multiple_of_16(channels: int) -> None:
    text = f"g (float[N, {channels}, 9, 9] x) => (float[N, C, H, K] y) {{ y = Conv<group = {channels}>(x, w) }}"
    result = pad_depthwise_channels.run(parse(text, {"w": (channels, 1, 3, 3)}))
    assert not result.changed and not result.refused


def test_a_depthwise_convolution_of_the_input_keeps_its_channels() -> None:
    text = "g (float[N, 40, 9, 9] x) => (float[N, 16, H, K] y) { [n] d = Conv<group = 40>(x, wd) y = Conv(d, wp) }"
    assert "'x' with these channels is an input" in refusal(pad_depthwise_channels, parse(text, W), "n")


def test_ranges_stay_what_they_are() -> None:
    # given the same block, padded and not
    model = network(SE.replace("HardSigmoid", "Sigmoid"))
    _, padded = apply(pad_depthwise_channels, model)

    # when both are calibrated on the same images
    plain, wide = quantized(model, Config(observer="minmax")), quantized(padded, Config(observer="minmax"))

    # then the new channels hold nothing that widens a range
    for name, qparams in plain.plan.qparams.items():
        if qparams.axis is None:
            np.testing.assert_allclose(wide.plan.qparams[name].scale, qparams.scale, rtol=1e-5)
            assert wide.plan.qparams[name].zero_point == qparams.zero_point
