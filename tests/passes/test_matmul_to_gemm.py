from __future__ import annotations

import numpy as np
import pytest

from pyq8.passes import matmul_to_gemm
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {"w": (4, 3, 3, 3), "m": (4, 5), "b": (5,), "row": (1, 5), "one": (1,)}
NO_BIAS = "what is added is not a constant vector, one value a column"
HEAD = "g (float[N,3,8,8] x) => (float[N,5] y) { a = Conv(x, w) p = GlobalAveragePool(a) f = Flatten(p)"


@pytest.mark.parametrize("add", ["Add(q, b)", "Add(b, q)"])
def test_becomes_a_gemm(add: str) -> None:
    result, new = apply(matmul_to_gemm, parse(f"{HEAD} [fc] q = MatMul(f, m) r = {add} y = Relu(r) }}", W))
    assert result.changed == ("fc",)
    assert ops(new) == {"Conv": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1, "Relu": 1}


def test_an_output_keeps_its_name() -> None:
    _, new = apply(matmul_to_gemm, parse(f"{HEAD} q = MatMul(f, m) y = Add(q, b) }}", W))
    (output,) = new.graph.outputs
    assert output.name == "y"
    assert str(output.shape) == "[N,5]"


def test_a_matrix_that_two_read() -> None:
    text = f"{HEAD} q = MatMul(f, m) r = Add(q, b) [n] s = MatMul(f, m) t = Relu(s) y = Add(r, t) }}"
    result, new = apply(matmul_to_gemm, parse(text, W))
    assert result.refused == {"n": "no Add of a bias follows"}
    assert ops(new)["Gemm"] == ops(new)["MatMul"] == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[n] q = MatMul(f, m) y = Relu(q)", "no Add of a bias follows"),
        ("[n] q = MatMul(f, m) y = Add(q, q)", "no Add of a bias follows"),
        ("[n] q = MatMul(f, m) r = Add(q, b) y = Mul(q, r)", "no Add of a bias follows"),
        ("[n] q = MatMul(f, m) y = Add(q, row)", NO_BIAS),
        ("[n] q = MatMul(f, m) y = Add(q, one)", NO_BIAS),
        ("[n] q = MatMul(f, m) r = Relu(row) y = Add(q, r)", NO_BIAS),
        ("r = Relu(m) [n] q = MatMul(f, r) y = Add(q, b)", "its right side is not a constant float32 matrix"),
    ],
)  # fmt: skip
def test_refuses(body: str, reason: str) -> None:
    assert refusal(matmul_to_gemm, parse(f"{HEAD} {body} }}", W), "n") == reason


def test_refuses_what_is_no_matrix() -> None:
    text = """g (float[N,3,8,8] x) => (float[N,4,6,5] y) { a = Conv(x, w) [n] q = MatMul(a, m) y = Add(q, b) }"""
    model = parse(text, {**W, "m": (6, 5)})
    assert refusal(matmul_to_gemm, model, "n") == "its left side is not known to be a matrix"


def test_refuses_a_stack_of_matrices() -> None:
    text = """g (float[6,6] f, float[N,3,8,8] x) => (float[2,6,5] y, float[N,4,6,6] z) {
        z = Conv(x, w) [n] q = MatMul(f, deep) y = Add(q, b)
    }"""
    model = parse(text, {**W, "deep": (2, 6, 5)})
    assert refusal(matmul_to_gemm, model, "n") == "its right side is not a constant float32 matrix"


def test_refuses_integers() -> None:
    text = """g (float[N,3,8,8] x, int32[M,4] k) => (float[N,4,6,6] y, int32[M,5] z) {
        y = Conv(x, w) [n] q = MatMul(k, m) z = Add(q, b)
    }"""
    whole = np.arange(20, dtype=np.int32).reshape(4, 5)
    weights: Weights = {"w": (4, 3, 3, 3), "m": whole, "b": whole[0]}
    assert refusal(matmul_to_gemm, parse(text, weights), "n") == "its right side is not a constant float32 matrix"


def test_refuses_a_product_that_is_an_output() -> None:
    text = f"{HEAD} [n] q = MatMul(f, m) y = Add(q, b) }}".replace("(float[N,5] y)", "(float[N,5] y, float[N,5] q)")
    assert refusal(matmul_to_gemm, parse(text, W), "n") == "no Add of a bias follows"
