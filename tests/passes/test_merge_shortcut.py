from __future__ import annotations

import pytest

from pyq8.passes import merge_shortcut, prepare
from tests.passes.equivalence import apply, assert_same, feeds_of, ops, refusal, run
from tests.passes.test_move_stride import resnet50
from tests.small_models import FORMATS, Weights, check_case, executed, parse, quantized

W: Weights = {
    "w1": (16, 8, 1, 1), "w3": (16, 16, 3, 3), "wm": (32, 16, 1, 1), "bm": (32,), "ws": (32, 8, 1, 1), "bs": (32,),
    "w3x": (8, 8, 3, 3), "w5": (32, 8, 3, 3), "w8": (8, 8, 1, 1), "grouped": (32, 4, 1, 1), "one": (1, 8, 1, 1),
    "seven": (7, 8, 1, 1), "of_seven": (32, 7, 1, 1), "few": (12, 16, 1, 1), "few_too": (12, 8, 1, 1),
}  # fmt: skip

MAIN = "[reduce] a = Conv(x, w1)  ra = Relu(a)  [middle] c = Conv<pads = [1, 1, 1, 1]>(ra, w3)  rc = Relu(c)"
EXPAND = "[expand] e = Conv(rc, wm, bm)"
SHORTCUT = "[shortcut] s = Conv(x, ws, bs)"


def network(body: str, size: str = "9, 11") -> str:
    return f"g (float[N, 8, {size}] x) => (float[N, C, H, K] y) {{ {body} }}"


@pytest.mark.parametrize("size", ["9, 11", "H0, K0"])
@pytest.mark.parametrize(
    "pair",
    [f"{EXPAND} {SHORTCUT}", "[expand] e = Conv(rc, wm, bm) [shortcut] s = Conv(x, ws)",
     "[expand] e = Conv(rc, wm) [shortcut] s = Conv(x, ws)"],
)  # fmt: skip
@pytest.mark.parametrize("add", ["[sum] y = Add(e, s)", "[sum] y = Add(s, e)"])
def test_the_shortcut_becomes_part_of_the_last_convolution(size: str, pair: str, add: str) -> None:
    model = parse(network(f"{MAIN} {pair} {add}", size), W)
    result, new = apply(merge_shortcut, model)
    assert result.changed == ("sum",)
    assert ops(new) == {"Relu": 2, "Conv": 3, "Concat": 1}


def test_it_fires_at_four_stages_of_resnet50_v1_because_the_strides_moved_before() -> None:
    text, weights = resnet50("v1")
    model = parse(text, weights)
    prepared = prepare(model)
    assert {r.name: len(r.changed) for r in prepared.passes}["merge_shortcut"] == 4
    assert ops(prepared.model)["Conv"] == 53 - 4
    assert_same(run(prepared.model, feeds_of(model)), run(model, feeds_of(model)))


def test_it_fires_at_the_first_stage_of_resnet50_v1_5() -> None:
    text, weights = resnet50("v1.5")
    result, _ = apply(merge_shortcut, parse(text, weights))
    assert len(result.changed) == 1
    assert sorted(result.refused.values()) == [f"'shortcut{n}_0' skips pixels" for n in (1, 2, 3)]


def test_all_of_it_runs_in_int8_and_absorbs_the_relu() -> None:
    text = network(f"{MAIN} {EXPAND} {SHORTCUT} [sum] t = Add(e, s)  y = Relu(t)")
    prepared = prepare(parse(text, W))
    case = quantized(prepared.model)
    check_case(case, {"sum": "QLinearConv", "sum_concat": "QLinearConcat"})
    for name in FORMATS:
        assert executed(case.quantized[name])["QLinearConv"] == 3
        assert case.kernels(name).fast_convolutions == 3


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "[expand] e = Conv<strides = [2, 2]>(rc, wm)  [shortcut] s = Conv<strides = [2, 2]>(x, ws)",
            "'expand' skips pixels",
        ),
        (f"{EXPAND}  [shortcut] s = Conv<pads = [1, 1, 1, 1]>(x, w5)", "'shortcut' is not 1x1"),
        (f"{EXPAND}  [shortcut] s = Conv<group = 2>(x, grouped)", "'shortcut' is not 1x1 and of one group"),
        (f"{EXPAND} {SHORTCUT}  z = Relu(s)", "others read the output of 'shortcut' too"),
        (f"{EXPAND}  m = GlobalAveragePool(x)  [shortcut] s = Conv(m, ws)", "not known to read images of one size"),
        (f"{EXPAND}  p = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x)  [shortcut] s = Conv(p, ws)",
         "not known to read images of one size"),
        (f"{EXPAND}  [shortcut] s = Conv(x, one)", "broadcasts channels"),
        (f"r = Conv(x, seven)  [expand] e = Conv(r, of_seven)  {SHORTCUT}", "together they read 15 channels"),
        ("[expand] e = Conv(rc, few)  [shortcut] s = Conv(x, few_too)", "24 channels side by side costs more"),
    ],
)  # fmt: skip
def test_refuses(body: str, reason: str) -> None:
    model = parse(network(f"{MAIN} {body} [sum] y = Add(e, s)"), W)
    assert reason in refusal(merge_shortcut, model, "sum")


@pytest.mark.parametrize(
    ("size", "attributes"), [("3, 3", "pads = [0, 0, 0, 0]"), ("2, 2", "pads = [1, 1, 1, 1], strides = [2, 2]")]
)
def test_refuses_behind_a_convolution_that_makes_one_pixel_of_all(size: str, attributes: str) -> None:
    branches = f"c = Conv<{attributes}>(x, w3x)  [expand] e = Conv(c, ws)  {SHORTCUT}"
    model = parse(network(f"{branches} [sum] y = Add(e, s)", size), W)
    assert "images of one size" in refusal(merge_shortcut, model, "sum")


def test_an_identity_shortcut_is_no_candidate() -> None:
    result = merge_shortcut.run(parse(network("[expand] e = Conv(x, w8)  y = Add(e, x)"), W))
    assert not result.changed and not result.refused
