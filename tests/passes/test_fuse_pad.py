from __future__ import annotations

import numpy as np
import pytest

from pyq8.passes import fuse_pad
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {
    "w": (4, 3, 3, 3),
    "v": (4, 3, 2, 2),
    "w1": (4, 3, 3),
    "w3": (4, 3, 2, 2, 2),
    "p": np.array([0, 0, 1, 2, 0, 0, 3, 0]),
    "p1": np.array([0, 0, 1, 0, 0, 2]),
    "p3": np.array([0, 0, 1, 0, 1, 0, 0, 2, 0, 1]),
    "spatial": np.array([1, 2, 3, 0]),
    "axes": np.array([-2, 3]),
    "crop": np.array([0, 0, 1, -1, 0, 0, 1, 0]),
    "channels": np.array([0, 1, 1, 1, 0, 0, 1, 1]),
    "zero": np.float32(0),
    "half": np.float32(0.5),
}
HEAD = "g (float[N,3,8,8] x) => (float[N,4,H,K] y)"


@pytest.mark.parametrize(
    ("text", "pads"),
    [
        pytest.param(f"{HEAD} {{ a = Pad(x, p) y = Conv(a, w) }}", [1, 2, 3, 0], id="asymmetric"),
        pytest.param(f"{HEAD} {{ a = Pad(x, p, zero) y = Conv(a, w) }}", [1, 2, 3, 0], id="zero given"),
        pytest.param(
            f"{HEAD} {{ a = Pad(x, p) y = Conv<pads = [1, 0, 2, 1]>(a, w) }}", [2, 2, 5, 1], id="with the Conv's own"
        ),
        pytest.param(
            f"{HEAD} {{ a = Pad(x, p) y = Conv<dilations = [2, 1], strides = [2, 3]>(a, w) }}",
            [1, 2, 3, 0],
            id="dilated, strided",
        ),
        pytest.param(f'{HEAD} {{ a = Pad(x, p) y = Conv<auto_pad = "VALID">(a, w) }}', [1, 2, 3, 0], id="VALID"),
        pytest.param("g (float[N,3,9] x) => (float[N,4,L] y) { a = Pad(x, p1) y = Conv(a, w1) }", [1, 2], id="1-D"),
        pytest.param(
            "g (float[N,3,5,5,5] x) => (float[N,4,D,H,K] y) { a = Pad(x, p3) y = Conv(a, w3) }",
            [1, 0, 1, 2, 0, 1],
            id="3-D",
        ),
    ],
)
def test_fuses(text: str, pads: list[int]) -> None:
    result, new = apply(fuse_pad, parse(text, W))
    assert len(result.changed) == 1
    assert ops(new) == {"Conv": 1}
    assert list(new.graph.node(0).attributes["pads"].as_ints()) == pads


@pytest.mark.parametrize("opset", [18, 22, 26])
def test_axes_as_input(opset: int) -> None:
    ir_version = 10 if opset < 26 else 11
    model = parse(f"{HEAD} {{ a = Pad(x, spatial, , axes) y = Conv(a, w) }}", W, opset, ir_version)
    _, new = apply(fuse_pad, model)
    assert list(new.graph.node(0).attributes["pads"].as_ints()) == [1, 2, 3, 0]


def test_every_reader_takes_its_share() -> None:
    # given a Pad that two Convs of different kernels read
    text = (
        "g (float[N,3,8,8] x) => (float[A,B,C,D] y, float[E,F,G,H] z) { a = Pad(x, p) y = Conv(a, w) z = Conv(a, v) }"
    )
    _, new = apply(fuse_pad, parse(text, W))
    assert ops(new) == {"Conv": 2}


def test_a_reader_inside_a_branch_takes_its_share() -> None:
    text = """g (float[N,3,8,8] x, bool c) => (float[A,B,C,D] y) {
        a = Pad(x, p)
        y = If(c) <
            then_branch = t () => (float[A,B,C,D] t1) { t1 = Conv(a, w) },
            else_branch = e () => (float[A,B,C,D] e1) { e1 = Conv(a, v) }
        >
    }"""
    result, _ = apply(fuse_pad, parse(text, W))
    assert len(result.changed) == 1


def test_the_amounts_may_serve_another_pad() -> None:
    text = "g (float[N,3,8,8] x) => (float[A,B,C,D] y, float[E,F,G,H] z) { a = Pad(x, p) y = Conv(a, w) z = Pad(x, p) }"
    result, new = apply(fuse_pad, parse(text, W))
    assert ops(new) == {"Conv": 1, "Pad": 1}
    assert list(result.refused.values()) == ["something other than a Conv reads it"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[n] a = Pad(x, crop) y = Conv(a, w)", "it crops"),
        ("[n] a = Pad(x, p, half) y = Conv(a, w)", "it pads with another value than 0"),
        ('[n] a = Pad<mode = "reflect">(x, p) y = Conv(a, w)', "its mode is reflect"),
        ('[n] a = Pad<mode = "edge">(x, p) y = Conv(a, w)', "its mode is edge"),
        ('[n] a = Pad(x, p) [c] y = Conv<auto_pad = "SAME_UPPER">(a, w)', "'c' pads automatically"),
        ('[n] a = Pad(x, p) [c] y = Conv<auto_pad = "SAME_LOWER">(a, w)', "'c' pads automatically"),
        (
            "[n] a = Pad(x, p) b = MaxPool<kernel_shape = [2, 2]>(a) y = Conv(b, w)",
            "something other than a Conv reads it",
        ),
        ("[n] a = Pad(x, p) b = Conv(a, w) r = ReduceMax(a) y = Add(b, r)", "something other than a Conv reads it"),
        ("s = Mul(p, p) [n] a = Pad(x, s) y = Conv(a, w)", "its amounts are not constant"),
    ],
)
def test_refuses(body: str, reason: str) -> None:
    model = parse(f"g (float[N,3,8,8] x) => (float[A,B,C,D] y) {{ {body} }}", W)
    assert refusal(fuse_pad, model, "n") == reason


def test_refuses_one_pad_for_two_when_one_pads_itself() -> None:
    # given two readers, the second of which cannot take the padding
    text = """g (float[N,3,8,8] x) => (float[A,B,C,D] y, float[E,F,G,H] z) {
        [n] a = Pad(x, p) y = Conv(a, w) [c] z = Conv<auto_pad = "SAME_UPPER">(a, w)
    }"""
    # then the first is left alone too
    assert refusal(fuse_pad, parse(text, W), "n") == "'c' pads automatically"


def test_refuses_an_output() -> None:
    text = "g (float[N,3,8,8] x) => (float[A,B,C,D] y, float[E,F,G,H] a) { [n] a = Pad(x, p) y = Conv(a, w) }"
    assert refusal(fuse_pad, parse(text, W), "n") == "it is an output of the model"


def test_refuses_a_padded_kernel() -> None:
    # given a Pad of a kernel that is an input of the model
    text = "g (float[N,3,8,8] x, float[4,3,3,3] u) => (float[A,B,C,D] y) { [n] a = Pad(u, p) y = Conv(x, a) }"
    assert refusal(fuse_pad, parse(text, W), "n") == "something other than a Conv reads it"


def test_refuses_channels() -> None:
    text = "g (float[N,2,8,8] x) => (float[A,B,C,D] y) { [n] a = Pad(x, channels) y = Conv(a, w) }"
    assert refusal(fuse_pad, parse(text, W), "n") == "it pads batch or channels"


def test_refuses_a_weight_of_unknown_rank() -> None:
    text = "g (float[N,3,8,8] x, float[4,3,3,3] u) => (float[A,B,C,D] y) { [n] a = Pad(x, p) y = Conv(a, u) }"
    model = parse(text, W)
    _, new = apply(fuse_pad, model)
    assert ops(new) == {"Conv": 1}
    model.graph.inputs[1].shape = None
    assert fuse_pad.run(model).refused == {"n": "the weight behind it has no known rank"}
