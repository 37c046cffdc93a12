"""Cross-layer equalization: the same function, and small channels that INT8 can see."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.correction.channels import find_bundles
from pyq8.correction.equalization import equalize, find_factors
from pyq8.metrics.sqnr import sqnr
from pyq8.types import Array, Config

from ..small_models import Weights, between, parse, quantized, random_feeds, run

WEIGHTS: Weights = {"w": (16, 16, 3, 3), "d": (16, 1, 3, 3), "f": (16, 16), "g": (10, 16)}
BODIES = {
    "relu": "b = Relu(a)",
    "pool": "c = Relu(a) b = MaxPool<kernel_shape = [2, 2]>(c)",
    "residual": "c = Conv<pads = [1, 1, 1, 1]>(a, w) e = Add(a, c) b = Relu(e)",
    "depthwise": "c = Relu(a) e = Conv<group = 16>(c, d) b = Relu(e)",
}
FIXED = {
    "clip to 6": "z = Constant<value_float = 0.0>() s = Constant<value_float = 6.0>() b = Clip(a, z, s)",
    "sigmoid": "b = Sigmoid(a)",
    "concat": "b = Concat<axis = 1>(a)",
}


def model_of(body: str) -> ir.Model:
    """Channels of `a` that differ 300-fold."""
    used = {name: shape for name, shape in WEIGHTS.items() if f", {name})" in body}
    model = between(body, used)
    spread = np.geomspace(1, 300, 16, dtype=np.float32)
    graph = model.graph
    for name, factor in (("w1", spread[:, None, None, None]), ("b1", spread), ("w2", 1 / spread[None, :, None, None])):
        value = graph.initializers[name]
        assert value.const_value is not None
        value.const_value = ir.tensor(np.asarray(value.const_value.numpy() * factor, np.float32), name=name)
    return model


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_fp32_stays_and_int8_gains(body: str) -> None:
    model = model_of(body)
    feeds = random_feeds(model)
    (before,) = run(model, feeds)

    equalized = equalize(model, find_factors(model, feeds))

    (after,) = run(equalized, feeds)
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-4 * np.abs(before).max())
    plain, better = (quantized(m, Config(), feeds).outputs["qdq"][0] for m in (model, equalized))
    assert sqnr(before, better) > sqnr(before, plain) + 2


@pytest.mark.parametrize("body", FIXED.values(), ids=FIXED)
def test_what_does_not_commute_with_factors_is_left_alone(body: str) -> None:
    model = model_of(body)

    assert find_factors(model, random_feeds(model)) == {}


def test_a_branch_to_an_output_keeps_its_values() -> None:
    text = """g (float[1, 8, 6, 6] x) => (float[N, C, H, W] y, float[N, C, H, W] a) {
        [one] a = Conv(x, w1, b1) [two] y = Conv(a, w2, b2) }"""
    model = parse(text, {"w1": (16, 8, 1, 1), "b1": (16,), "w2": (16, 16, 1, 1), "b2": (16,)})

    assert find_bundles(model.graph) == []


def test_few_images_move_channels_little() -> None:
    """A channel's largest value in one image says little of the next one, which would be clipped."""
    model = between("b = Relu(a)")
    feeds = random_feeds(model)

    many, few = (find_factors(model, feeds, images) for images in (50, 5))

    assert max(f.max() for f in many.values()) > 1.2
    for name, factors in many.items():
        np.testing.assert_allclose(few[name], factors**0.1, rtol=1e-5)


def test_a_classifier_behind_global_pooling() -> None:
    text = """g (float[1, 8, 6, 6] x) => (float[N, C] y) {
        [one] a = Conv(x, w1, b1) b = Relu(a) c = GlobalAveragePool(b) e = Flatten(c)
        [two] y = Gemm<transB = 1>(e, g) }"""
    model = parse(text, {"w1": (16, 8, 1, 1), "b1": (16,), "g": (10, 16)})
    feeds = random_feeds(model)
    (before,) = run(model, feeds)

    factors = find_factors(model, feeds)

    (after,) = run(equalize(model, factors), feeds)
    assert set(factors) == {"a", "b", "c", "e"}
    np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)


def test_a_weight_that_two_nodes_read_is_not_scaled() -> None:
    text = """g (float[1, 16, 6, 6] x) => (float[N, C, H, W] y) {
        [one] a = Conv(x, w) b = Relu(a) [two] y = Conv(b, w) }"""
    model = parse(text, {"w": (16, 16, 1, 1)})

    assert find_bundles(model.graph) == []


def test_dead_channels_and_dead_tensors() -> None:
    model = between("b = Relu(a)")
    array = np.array(model.graph.initializers["w1"].const_value.numpy())  # type: ignore[union-attr]
    bias: Array = np.zeros(16, np.float32)
    array[3] = 0
    model.graph.initializers["w1"].const_value = ir.tensor(array, name="w1")
    model.graph.initializers["b1"].const_value = ir.tensor(bias, name="b1")
    feeds = random_feeds(model)

    factors = find_factors(model, feeds)

    assert all(np.isfinite(f).all() and (f >= 1).all() and (f <= 16).all() for f in factors.values())
    np.testing.assert_allclose(run(equalize(model, factors), feeds)[0], run(model, feeds)[0], rtol=1e-4, atol=1e-4)
    zero = [{"x": np.zeros((1, 8, 12, 12), np.float32)}]
    assert find_factors(model, zero) == {}
