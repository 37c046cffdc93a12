from __future__ import annotations

import numpy as np
import pytest

from pyq8.passes import reduce_mean_to_pool
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {"w": (4, 3, 3, 3), "axes": np.array([2, 3]), "last": np.array([3, -2]), "both": np.array([1, 2])}
NO_IMAGE = "its input is not known to be [N, C, H, W]"
NO_FLOAT = "its input is not known to be float32"
KEPT = "g (float[N,3,8,8] x) => (float[N,4,1,1] y)"
FLAT = "g (float[N,3,8,8] x) => (float[N,4] y)"


@pytest.mark.parametrize("axes", ["[2, 3]", "[3, 2]", "[-1, -2]", "[2, -1]"])
def test_becomes_a_pool(axes: str) -> None:
    result, new = apply(
        reduce_mean_to_pool, parse(f"{KEPT} {{ a = Conv(x, w) [n] y = ReduceMean<axes = {axes}>(a) }}", W)
    )
    assert result.changed == ("n",)
    assert ops(new) == {"Conv": 1, "GlobalAveragePool": 1}
    assert str(new.graph.outputs[0].shape) == "[N,4,1,1]"


@pytest.mark.parametrize(
    "tail",
    ["y = ReduceMean<axes = [2, 3], keepdims = 0>(a)", "b = ReduceMean<axes = [2, 3], keepdims = 0>(a) y = Relu(b)"],
)
def test_a_flatten_follows_without_keepdims(tail: str) -> None:
    _, new = apply(reduce_mean_to_pool, parse(f"{FLAT} {{ a = Conv(x, w) {tail} }}", W))
    assert ops(new)["GlobalAveragePool"] == ops(new)["Flatten"] == 1
    assert str(new.graph.outputs[0].shape) == "[N,4]"


@pytest.mark.parametrize("opset", [18, 22, 26])
@pytest.mark.parametrize("axes", ["axes", "last"])
def test_axes_as_input(opset: int, axes: str) -> None:
    model = parse(f"{KEPT} {{ a = Conv(x, w) y = ReduceMean(a, {axes}) }}", W, opset, 8 if opset < 20 else 11)
    _, new = apply(reduce_mean_to_pool, model)
    assert ops(new) == {"Conv": 1, "GlobalAveragePool": 1}


@pytest.mark.parametrize(
    ("opset", "body", "reason"),
    [
        (17, "[n] y = ReduceMean<axes = [1, 2]>(a)", "it does not reduce height and width"),
        (17, "[n] y = ReduceMean<axes = [2]>(a)", "it does not reduce height and width"),
        (17, "[n] y = ReduceMean(a)", "it does not reduce height and width"),
        (18, "[n] y = ReduceMean(a, both)", "it does not reduce height and width"),
        (18, "[n] y = ReduceMean<noop_with_empty_axes = 1>(a)", "it does not reduce height and width"),
        (18, "k = Abs(axes) [n] y = ReduceMean(a, k)", "it does not reduce height and width"),
        (17, "b = Flatten<axis = 2>(a) [n] y = ReduceMean<axes = [-1]>(b)", NO_IMAGE),
        (17, "b = Cast<to = 6>(a) [n] c = ReduceMean<axes = [2, 3]>(b) y = Cast<to = 1>(c)", NO_FLOAT),
    ],
)  # fmt: skip
def test_refuses(opset: int, body: str, reason: str) -> None:
    model = parse(f"{KEPT} {{ a = Conv(x, w) {body} }}", W, opset)
    model.graph.outputs[0].shape = None
    assert refusal(reduce_mean_to_pool, model, "n") == reason
