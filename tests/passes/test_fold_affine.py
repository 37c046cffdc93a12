from __future__ import annotations

import numpy as np
import pytest

from pyq8.graph_edit import constant
from pyq8.passes import fold_affine
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {
    "w": (4, 3, 3, 3),
    "b": (4,),
    "one": np.float32(0.7),
    "one1": np.array([0.7], np.float32),
    "each": (4, 1, 1),
    "each4": (1, 4, 1, 1),
    "row": (6,),
    "four": (4,),
    "many": (1, 8, 1, 1),
    "image": (2, 1, 1, 1),
    "five": (1, 1, 4, 1, 1),
    "zeros": np.zeros((4, 1, 1), np.float32),
    "huge": np.float32(3e38),
}
HEAD = "g (float[N,3,8,8] x) => (float[A,B,C,D] y)"


@pytest.mark.parametrize("conv", ["Conv(x, w)", "Conv(x, w, b)", "ConvTranspose(x, u, b)"])
@pytest.mark.parametrize("k", ["one", "one1", "each", "each4"])
@pytest.mark.parametrize("call", ["Add(a, k)", "Add(k, a)", "Sub(a, k)", "Mul(a, k)", "Mul(k, a)", "Div(a, k)"])
def test_folds(conv: str, k: str, call: str) -> None:
    text = f"{HEAD} {{ a = {conv} c = {call.replace('k', k)} y = Relu(c) }}"
    result, new = apply(fold_affine, parse(text, {**W, "u": (3, 4, 3, 3)}))
    assert len(result.changed) == 1
    assert ops(new) == {conv.partition("(")[0]: 1, "Relu": 1}


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("g (float[N,3,9] x) => (float[A,B,C] y) { a = Conv(x, w) y = Mul(a, k) }", {"w": (4, 3, 3), "k": (4, 1)}),
        (
            "g (float[N,3,5,5,5] x) => (float[A,B,C,D,E] y) { a = Conv(x, w) y = Mul(a, k) }",
            {"w": (4, 3, 3, 3, 3), "k": (1, 4, 1, 1, 1)},
        ),
        ("g (float[N,3,8,8] x) => (float[A,B,C,D] y) { a = Conv(x, w) y = Mul(a, k) }", {"w": (1, 3, 3, 3), "k": (1,)}),
        (
            "g (float[N,4,8,8] x) => (float[A,B,C,D] y) { a = Conv<group = 4>(x, w) y = Mul(a, k) }",
            {"w": (4, 1, 3, 3), "k": (4, 1, 1)},
        ),
    ],
    ids=["1-D", "3-D", "one channel", "depthwise"],
)
def test_other_convolutions(text: str, weights: Weights) -> None:
    _, new = apply(fold_affine, parse(text, weights))
    assert ops(new) == {"Conv": 1}


def test_a_chain_folds_whole_and_the_output_keeps_its_name() -> None:
    text = f"{HEAD} {{ a = Conv(x, w) c = Add(a, each) d = Mul(c, one) e = Sub(d, each4) y = Div(e, one1) }}"
    result, new = apply(fold_affine, parse(text, W))
    assert len(result.changed) == 4
    assert ops(new) == {"Conv": 1}
    assert [v.name for v in new.graph.outputs] == ["y"]


def test_a_weight_that_two_convolutions_read_changes_for_one() -> None:
    model = parse(f"{HEAD} {{ a = Conv(x, w, b) c = Mul(a, each) d = Conv(x, w, b) y = Add(c, d) }}", W)
    _, new = apply(fold_affine, model)
    kept, old = constant(new.graph.initializers["w"]), constant(model.graph.initializers["w"])
    assert kept is not None and old is not None
    assert np.array_equal(kept, old)


def test_a_bias_alone_leaves_the_weight() -> None:
    _, new = apply(fold_affine, parse(f"{HEAD} {{ a = Conv(x, w) y = Add(a, each) }}", W))
    assert "w" in new.graph.initializers


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("a = Conv(x, w) [n] y = Sub(one, a)", "the constant is on its left"),
        ("a = Conv(x, w) [n] y = Div(each, a)", "the constant is on its left"),
        ("a = Conv(x, w) [n] y = Div(a, zeros)", "it divides by zero"),
        ("a = Conv(x, w) [n] y = Add(a, row)", "the constant is not one value a channel"),
        ("a = Conv<pads = [0, 0, 0, -2]>(x, w) [n] y = Add(a, four)", "the constant is not one value a channel"),
        ("a = Conv(x, w) [n] y = Add(a, image)", "the constant is not one value a channel"),
        ("a = Conv(x, w1) [n] y = Add(a, many)", "the constant is not one value a channel"),
        ("[c] a = Conv(x, w) [n] d = Mul(a, one) y = Add(a, d)", "others read the output of 'c' too"),
        ("r = Relu(w) a = Conv(x, r) [n] y = Mul(a, one)", "the weight before it is not a float32 constant"),
        ("a = ConvTranspose<group = 3>(x, g3) [n] y = Mul(a, one)", "the transposed convolution before it is grouped"),
    ],
)
def test_refuses(body: str, reason: str) -> None:
    body = body.replace("<pads = [0, 0, 0, -2]>", "").replace(
        "(x, w) [n] y = Add(a, four)", "(x, w5) [n] y = Add(a, four)"
    )
    weights = {**W, "w1": (1, 3, 3, 3), "w5": (4, 3, 5, 5), "g3": (3, 2, 2, 2)}
    model = parse(f"{HEAD} {{ {body} }}", weights)
    if "zeros" in body:
        new = model.clone()
        assert fold_affine.run(new).refused == {"n": reason}
    else:
        assert refusal(fold_affine, model, "n") == reason


def test_a_constant_of_a_higher_rank_stays() -> None:
    text = "g (float[N,3,8,8] x) => (float[A,B,C,D,E] y) { a = Conv(x, w) [n] y = Add(a, five) }"
    assert (
        refusal(fold_affine, parse(text, {**W, "five": (1, 1, 4, 1, 1)}), "n")
        == "the constant is not one value a channel"
    )


def test_what_float32_cannot_hold_stays() -> None:
    new = parse(
        f"{HEAD} {{ a = Conv(x, w) [n] y = Mul(a, huge) }}", {**W, "w": np.full((4, 3, 3, 3), 9, np.float32)}
    ).clone()
    assert fold_affine.run(new).refused == {"n": "folding it would overflow float32"}
    assert ops(new) == {"Conv": 1, "Mul": 1}


def test_the_preprocessing_of_a_uint8_image_is_no_candidate() -> None:
    # given a model that normalizes its image itself, before the first Conv
    text = """g (uint8[N,3,8,8] u) => (float[A,B,C,D] y) {
        f = Cast<to = 1>(u) c = Sub(f, mean) d = Div(c, std) y = Conv(d, w)
    }"""
    model = parse(text, {**W, "mean": (3, 1, 1), "std": np.float32(58)})
    result, new = apply(fold_affine, model)
    assert (result.changed, dict(result.refused)) == ((), {})
    assert ops(new) == {"Cast": 1, "Sub": 1, "Div": 1, "Conv": 1}
