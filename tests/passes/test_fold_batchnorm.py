from __future__ import annotations

import numpy as np
import pytest

from pyq8.graph_edit import constant
from pyq8.passes import fold_batchnorm
from pyq8.types import Array
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse


def statistics(channels: int, **given: Array) -> dict[str, Array]:
    """Scale, bias, mean and variance of a BatchNormalization: s, t, m, v."""
    rng = np.random.default_rng(3)
    s, t, m = (rng.standard_normal(channels).astype(np.float32) for _ in range(3))
    return {"s": s, "t": t, "m": m, "v": np.abs(rng.standard_normal(channels)).astype(np.float32) + 0.1, **given}


W: Weights = {"w": (4, 3, 3, 3), "b": (4,), **statistics(4)}
HEAD = "g (float[N,3,8,8] x) => (float[A,B,C,D] y)"
BN = "BatchNormalization(a, s, t, m, v)"


@pytest.mark.parametrize(
    "conv",
    [
        "Conv(x, w)",
        "Conv(x, w, b)",
        "Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w, b)",
        "Conv<group = 3>(x, depthwise)",
        "ConvTranspose(x, transposed)",
        "ConvTranspose<strides = [2, 2]>(x, transposed, b)",
    ],
)
@pytest.mark.parametrize("bn", [BN, BN.replace("(a", "<epsilon = 0.1, momentum = 0.5>(a")])
def test_behind_a_convolution(conv: str, bn: str) -> None:
    channels = 3 if "group" in conv else 4
    weights = {**W, **statistics(channels), "depthwise": (3, 1, 3, 3), "transposed": (3, 4, 2, 2)}
    result, new = apply(fold_batchnorm, parse(f"{HEAD} {{ a = {conv} c = {bn} y = Relu(c) }}", weights))
    assert len(result.changed) == 1
    assert ops(new) == {conv.partition("(")[0].partition("<")[0]: 1, "Relu": 1}


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("g (float[N,3,9] x) => (float[A,B,C] y) { a = Conv(x, w) y = BN }", {"w": (4, 3, 3)}),
        ("g (float[N,3,5,5,5] x) => (float[A,B,C,D,E] y) { a = Conv(x, w) y = BN }", {"w": (4, 3, 3, 3, 3)}),
    ],
    ids=["1-D", "3-D"],
)
def test_other_ranks(text: str, weights: Weights) -> None:
    _, new = apply(fold_batchnorm, parse(text.replace("BN", BN), {**weights, **statistics(4)}))
    assert ops(new) == {"Conv": 1}


@pytest.mark.parametrize("weight", ["m45", "m54"])
@pytest.mark.parametrize("bias", ["", ", b5", ", b15", ", b1", ", b0"])
@pytest.mark.parametrize("scales", ["", ", alpha = 0.5", ", beta = 2.0", ", alpha = -1.5, beta = 0.25"])
def test_behind_a_gemm(weight: str, bias: str, scales: str) -> None:
    transposed = int(weight == "m54")
    text = f"""g (float[N,4] f, float[N,3,8,8] x) => (float[N,5] y, float[A,B,C,D] z) {{
        z = Conv(x, w) a = Gemm<transB = {transposed}{scales}>(f, {weight}{bias}) y = {BN}
    }}"""
    sizes: Weights = {"m45": (4, 5), "m54": (5, 4), "b5": (5,), "b15": (1, 5), "b1": (1,), "b0": np.float32(0.7)}
    _, new = apply(fold_batchnorm, parse(text, {**W, **sizes, **statistics(5)}))
    assert ops(new) == {"Conv": 1, "Gemm": 1}


def test_a_gemm_bias_that_differs_by_row_stays() -> None:
    # given a bias with one value a row, as many as there are columns
    text = f"""g (float[5,4] f, float[N,3,8,8] x) => (float[5,5] y, float[A,B,C,D] z) {{
        z = Conv(x, w) a = Gemm(f, m45, column) [n] y = {BN}
    }}"""
    model = parse(text, {**W, "m45": (4, 5), "column": (5, 1), **statistics(5)})
    assert refusal(fold_batchnorm, model, "n") == "the bias before it is not one value a channel"


def test_two_in_a_row() -> None:
    text = f"{HEAD} {{ a = Conv(x, w) c = {BN} y = BatchNormalization(c, t, s, m, v) }}"
    result, new = apply(fold_batchnorm, parse(text, W))
    assert len(result.changed) == 2
    assert ops(new) == {"Conv": 1}


def test_a_weight_that_two_convolutions_read_changes_for_one() -> None:
    # given
    text = f"{HEAD} {{ a = Conv(x, w, b) c = {BN} d = Conv(x, w, b) y = Add(c, d) }}"
    model = parse(text, W)

    # when
    _, new = apply(fold_batchnorm, model)

    # then the other still reads the old one
    kept = constant(new.graph.initializers["w"])
    old = constant(model.graph.initializers["w"])
    assert kept is not None and old is not None
    assert np.array_equal(kept, old)


def test_a_weight_that_is_an_output_of_the_model_stays() -> None:
    text = f"g (float[N,3,8,8] x) => (float[A,B,C,D] y, float[4,3,3,3] w) {{ a = Conv(x, w) y = {BN} }}"
    _, new = apply(fold_batchnorm, parse(text, W))
    assert ops(new) == {"Conv": 1}
    assert [v.name for v in new.graph.outputs] == ["y", "w"]


def test_a_weight_that_a_loop_reads_stays() -> None:
    text = f"""g (float[N,3,8,8] x, int64 n) => (float[A,B,C,D] y, float[4,3,3,3] z) {{
        a = Conv(x, w) y = {BN}
        z = Loop(n, yes, w) <body = l (int64 i, bool c, float[4,3,3,3] u) => (bool d, float[4,3,3,3] r) {{
            d = Identity(c) r = Add(u, w)
        }}>
    }}"""
    model = parse(text, {**W, "yes": np.array(True)})
    feeds = {"x": np.ones((1, 3, 8, 8), np.float32), "n": np.array(3)}
    result, _ = apply(fold_batchnorm, model, feeds)
    assert len(result.changed) == 1


def test_an_output_keeps_its_name_and_shape() -> None:
    _, new = apply(fold_batchnorm, parse(f"{HEAD} {{ a = Conv(x, w) y = {BN} }}", W))
    (output,) = new.graph.outputs
    assert output.name == "y"
    assert str(output.shape) == "[A,B,C,D]"


@pytest.mark.parametrize("opset", [13, 14, 15, 22, 26])
def test_opsets(opset: int) -> None:
    model = parse(f"{HEAD} {{ a = Conv(x, w) y = {BN} }}", W, opset, 8 if opset < 20 else 11)
    _, new = apply(fold_batchnorm, model)
    assert ops(new) == {"Conv": 1}


def test_a_tiny_variance() -> None:
    # given a channel that never changed in training: its factor is 1 / sqrt(epsilon)
    dead = statistics(4, v=np.array([0, 1e-20, 1, 1e20], np.float32))
    _, new = apply(fold_batchnorm, parse(f"{HEAD} {{ a = Conv(x, w) y = {BN} }}", {**W, **dead}))
    assert ops(new) == {"Conv": 1}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"v": np.zeros(4, np.float32)}, "its factor does not fit float32"),
        ({"v": np.full(4, -1, np.float32)}, "its factor does not fit float32"),
        ({"s": np.full(4, 3e38, np.float32), "v": np.full(4, 1e-6, np.float32)}, "its factor does not fit float32"),
        ({"s": np.full(4, 3e38, np.float32)}, "folding it would overflow float32"),
    ],
    ids=["variance 0", "variance below 0", "factor too large", "product too large"],
)
def test_what_float32_cannot_hold_stays(given: dict[str, Array], reason: str) -> None:
    bn = BN.replace("(a", "<epsilon = 0.0>(a")
    unit = {"m": np.zeros(4, np.float32), "t": np.zeros(4, np.float32), "v": np.ones(4, np.float32)}
    weights = {**W, "w": np.full((4, 3, 3, 3), 100, np.float32), **statistics(4, **{**unit, **given})}
    new = parse(f"{HEAD} {{ a = Conv(x, w) [n] y = {bn} }}", weights).clone()
    assert fold_batchnorm.run(new).refused == {"n": reason}
    assert ops(new) == {"Conv": 1, "BatchNormalization": 1}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (f"a = Relu(x3) [n] c = {BN} y = Conv(c, w)", "no Conv, ConvTranspose or Gemm right before it"),
        (f"[c] a = Conv(x, w) [n] c = {BN} y = Add(a, c)", "others read the output of 'c' too"),
        (f"r = Relu(s) [c] a = Conv(x, w) [n] y = {BN.replace('s,', 'r,')}", "its statistics are not constant"),
        (f"r = Relu(w) a = Conv(x, r) [n] y = {BN}", "the weight before it is not a float32 constant"),
        (f"r = Relu(b) a = Conv(x, w, r) [n] y = {BN}", "the bias before it is not a constant"),
        (f"a = ConvTranspose<group = 2>(x4, grouped) [n] y = {BN}", "the transposed convolution before it is grouped"),
    ],
)
def test_refuses(body: str, reason: str) -> None:
    grouped = "x4" in body
    text = f"g (float[N,{4 if grouped else 3},8,8] x) => (float[A,B,C,D] y) {{ {body} }}"
    weights = {**W, **(statistics(3) if "x3" in body else {}), "grouped": (4, 2, 2, 2)}
    model = parse(text.replace("x3", "x").replace("x4", "x"), weights)
    assert refusal(fold_batchnorm, model, "n") == reason


def test_refuses_an_output_of_the_model() -> None:
    text = f"g (float[N,3,8,8] x) => (float[A,B,C,D] y, float[E,F,G,H] a) {{ [c] a = Conv(x, w) [n] y = {BN} }}"
    assert refusal(fold_batchnorm, parse(text, W), "n") == "others read the output of 'c' too"


def test_refuses_what_a_branch_reads() -> None:
    text = f"""g (float[N,3,8,8] x, bool k) => (float[A,B,C,D] y) {{
        [c] a = Conv(x, w) [n] z = {BN}
        y = If(k) <
            then_branch = t () => (float[A,B,C,D] t1) {{ t1 = Neg(a) }},
            else_branch = e () => (float[A,B,C,D] e1) {{ e1 = Neg(z) }}
        >
    }}"""
    assert refusal(fold_batchnorm, parse(text, W), "n") == "others read the output of 'c' too"


@pytest.mark.parametrize(
    ("opset", "call"),
    [
        (17, "y, rm, rv = BatchNormalization<training_mode = 1>(a, s, t, m, v)"),
        (17, "y = BatchNormalization<training_mode = 1>(a, s, t, m, v)"),
    ],
    ids=["with statistics", "training"],
)
def test_refuses_training(opset: int, call: str) -> None:
    new = parse(f"{HEAD} {{ a = Conv(x, w) [n] {call} }}", W, opset).clone()
    assert fold_batchnorm.run(new).refused == {"n": "it is in training mode"}


@pytest.mark.parametrize("op", ["FusedConv", "Conv"])
def test_refuses_a_convolution_of_another_domain(op: str) -> None:
    text = f"{HEAD} {{ z = Conv(x, w) a = com.microsoft.{op}(x, w) [n] c = {BN} y = Add(z, c) }}"
    new = parse(text, W).clone()
    assert fold_batchnorm.run(new).refused == {"n": "no Conv, ConvTranspose or Gemm right before it"}


def test_a_new_constant_takes_no_name_that_a_tensor_has() -> None:
    # given tensors, in the graph and inside a branch, called as the folded bias would be
    text = f"""g (float[N,3,8,8] x, bool k) => (float[A,B,C,D] y) {{
        [conv] a = Conv(x, w) conv_bias_folded = {BN}
        y = If(k) <
            then_branch = t () => (float[A,B,C,D] t1) {{
                conv_bias_folded_1 = Neg(conv_bias_folded) t1 = Neg(conv_bias_folded_1)
            }},
            else_branch = e () => (float[A,B,C,D] e1) {{ e1 = Neg(conv_bias_folded) }}
        >
    }}"""
    _, new = apply(fold_batchnorm, parse(text, W))
    assert "conv_bias_folded_2" in new.graph.initializers
