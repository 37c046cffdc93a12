from __future__ import annotations

import onnx_ir as ir
import pytest

from pyq8.passes import average_pool_to_conv, pool_after_conv, prepare
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import ANYWHERE, FORMATS, Weights, check_case, executed, parse, quantized

W: Weights = {
    "w1": (48, 8, 3, 3), "w2": (16, 48, 1, 1), "b2": (16,), "large": (16, 48, 3, 3), "wide": (64, 48, 1, 1),
    "odd": (12, 48, 1, 1), "grouped": (48, 1, 3, 3), "end": (16, 16, 1, 1), "row": (1, 1, 1, 11),
}  # fmt: skip

COUNTED = "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1"
NOT_COUNTED = "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"
NARROW = "[narrow] y = Conv(b, w2, b2)"


def network(pool: str, behind: str = NARROW, outputs: str = "float[N, C, H, K] y") -> str:
    return f"""g (float[1, 8, 9, 11] x) => ({outputs}) {{
        [conv] a = Conv<pads = [1, 1, 1, 1]>(x, w1)
        [pool] b = AveragePool<{pool}>(a)
        {behind}
    }}"""


def averaged(text: str) -> ir.Model:
    """The model with its pool as a convolution."""
    model = parse(text, W)
    assert average_pool_to_conv.run(model).changed == ("pool",)
    return model


@pytest.mark.parametrize("behind", [NARROW, "[narrow] y = Conv(b, w2)"])
@pytest.mark.parametrize(
    "pool",
    [
        COUNTED,
        NOT_COUNTED,
        "kernel_shape = [3, 2]",
        "kernel_shape = [5, 4], pads = [2, 0, 2, 3], count_include_pad = 1",
        "kernel_shape = [5, 4], pads = [2, 0, 2, 3]",
    ],
)
def test_the_convolution_comes_first_and_the_pool_runs_on_its_channels(pool: str, behind: str) -> None:
    model = averaged(network(pool, behind))
    before = ops(model)
    result, new = apply(pool_after_conv, model)
    assert result.changed == ("pool",)
    assert ops(new) == before
    names = [n.name for n in new.graph]
    assert names == ["conv", "narrow", "pool", *(["pool_edges"] if "Mul" in before else [])]
    assert new.graph.node("pool").attributes["group"].as_int() == 16


@pytest.mark.cpu
@pytest.mark.parametrize(("pool", "kernels"), [(COUNTED, {}), (NOT_COUNTED, {"pool_edges": "QLinearMul"})])
def test_all_of_it_runs_in_int8_and_absorbs_the_relu(pool: str, kernels: dict[str, str]) -> None:
    text = network(pool, "c = Conv(b, w2, b2)  d = Relu(c)  [last] y = Conv(d, end)")
    prepared = prepare(parse(text, W))
    assert ("pool_after_conv", ("pool",)) in [(r.name, r.changed) for r in prepared.passes]
    case = quantized(prepared.model, ANYWHERE)
    check_case(case, {"pool": "QLinearConv", **kernels})
    for name in FORMATS:
        assert executed(case.quantized[name])["QLinearConv"] == 4
        assert case.kernels(name).fast_convolutions == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (network(COUNTED, "[n] y = Conv(b, wide)"), "'n' behind it makes 64 channels of 48, not fewer"),
        (network(COUNTED, "[n] y = Conv(b, odd)"), "'n' behind it has 12 channels, no multiple of 16"),
        (network(COUNTED, "[n] y = Conv(b, large)"), "'n' is not 1x1"),
        (network(COUNTED, "[n] y = Conv<group = 48>(b, grouped)"), "'n' is not 1x1 and of one group"),
        (network(COUNTED, "[n] y = Conv<strides = [2, 2]>(b, w2)"), "'n' skips pixels"),
        (network(COUNTED, "[n] y = Conv<pads = [1, 1, 1, 1]>(b, w2)"), "'n' pads"),
        (network("kernel_shape = [3, 3], strides = [2, 2]"), "it skips pixels, and 'narrow' would compute them"),
        (network(COUNTED, "c = Relu(b)  y = Conv(c, w2)"), "not one Conv alone"),
        (network(COUNTED, "c = Mul(b, row)  y = Conv(c, w2)"), "not one Conv alone"),
        (
            network(COUNTED, f"{NARROW}  z = Conv(b, w2)", "float[N, C, H, K] y, float[N, C, H, K] z"),
            "not one Conv alone",
        ),
        (
            network(COUNTED, NARROW, "float[N, C, H, K] y, float[1, 48, 9, 11] b"),
            "not one Conv alone",
        ),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    assert reason in refusal(pool_after_conv, averaged(text), "pool")


def test_a_depthwise_convolution_that_is_no_average_stays() -> None:
    text = network(COUNTED).replace(f"AveragePool<{COUNTED}>(a)", "Conv<group = 48>(a, grouped)")
    result = pool_after_conv.run(parse(text, W))
    assert not result.changed and not result.refused
