from __future__ import annotations

import pytest

from pyq8.passes import split_fused_conv
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {"w": (8, 3, 3, 3), "b": (8,), "v": (8, 8, 3, 3)}
HEAD = "g (float[N,3,8,8] x) => (float[N,8,4,4] y)"


@pytest.mark.parametrize(
    ("attributes", "inputs", "made"),
    [
        ('activation = "Relu"', "a, v", ["Relu"]),
        ('activation = "Relu"', "a, v, b, z", ["Add", "Relu"]),
        ("group = 1", "a, v, b", []),
        ('activation = "Sigmoid"', "a, v", ["Sigmoid"]),
        ('activation = "Tanh"', "a, v", ["Tanh"]),
        ('activation = "LeakyRelu", activation_params = [0.3]', "a, v, b", ["LeakyRelu"]),
        ('activation = "HardSigmoid", activation_params = [0.3, 0.4]', "a, v, b", ["HardSigmoid"]),
        ('activation = "Clip", activation_params = [-0.5, 0.25]', "a, v, b", ["Clip"]),
    ],
)
def test_splits(attributes: str, inputs: str, made: list[str]) -> None:
    body = f"a = Conv(x, w) z = Conv(a, v) y = com.microsoft.FusedConv<{attributes}>({inputs})"

    result, new = apply(split_fused_conv, parse(f"{HEAD} {{ {body} }}", W))

    assert result.changed
    assert "FusedConv" not in ops(new)
    assert set(made) <= set(ops(new))


def test_refuses_an_activation_that_it_does_not_know() -> None:
    body = 'a = Conv(x, w) [n] y = com.microsoft.FusedConv<activation = "Relu", activation_params = [1.0]>(a, v)'
    assert refusal(split_fused_conv, parse(f"{HEAD} {{ {body} }}", W), "n") == "its activation 'Relu' is not known"
