"""All passes together, in their order."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.model.file import sha256
from pyq8.passes import prepare
from tests.passes.equivalence import assert_same, feeds_of, ops, run
from tests.passes.test_fold_batchnorm import statistics
from tests.small_models import Weights, parse

BN = "BatchNormalization({}, s, t, m, v)"

NETWORK = f"""g (float[N,3,12,12] x) => (float[N,5] y) {{
    [pad] p = Pad(x, amounts) [id] i = Identity(p)
    [neg] w0 = Neg(w) [conv1] a = Conv(i, w0)
    [add1] b = Add(a, each) [bn1] c = {BN.format("b")} [mul1] d = Mul(c, half) [bn2] e = {BN.format("d")}
    [relu] r = Relu(e) [drop] k = Dropout(r) [bn3] l = {BN.format("k")}
    [conv2] f = Conv(l, u) [mean] q = ReduceMean<axes = [2, 3], keepdims = 0>(f)
    [fc] h = MatMul(q, matrix) [bias] j = Add(h, vector) [bn4] z = BatchNormalization(j, s5, t5, m5, v5)
    [last] y = Identity(z)
}}"""
WEIGHTS: Weights = {
    "amounts": np.array([0, 0, 1, 0, 0, 0, 1, 2]),
    "w": (16, 3, 3, 3),
    "u": (16, 16, 3, 3),
    "each": (16, 1, 1),
    "half": np.float32(0.5),
    "matrix": (16, 5),
    "vector": (5,),
    **statistics(16),
    **{f"{name}5": array for name, array in statistics(5).items()},
}


def test_a_network_with_something_for_every_pass() -> None:
    # given
    model = parse(NETWORK, WEIGHTS)
    before = sha256(model)

    # when
    prepared = prepare(model)

    # then only what computes in INT8 is left, and the third BatchNormalization became a convolution
    left = [node.op_type for node in prepared.model.graph]
    assert left == ["Pad", "Conv", "Relu", "Conv", "Conv", "GlobalAveragePool", "Flatten", "Gemm"]
    assert [v.name for v in prepared.model.graph.outputs] == ["y"]
    feeds = feeds_of(model)
    assert_same(run(prepared.model, feeds), run(model, feeds))

    # and the given model is as it was
    assert sha256(model) == before


def test_says_what_each_pass_did() -> None:
    prepared = prepare(parse(NETWORK, WEIGHTS))
    changed = [(result.name, name) for result in prepared.passes for name in result.changed]
    for expected in (
        ("remove_identity", "id"),
        ("remove_identity", "drop"),
        ("fold_constants", "neg"),
        ("fuse_pad", "pad"),
        ("matmul_to_gemm", "fc"),
        ("fold_affine", "add1"),
        ("fold_affine", "mul1"),
        ("fold_batchnorm", "bn4"),
        ("batchnorm_to_conv", "bn3"),
        ("reduce_mean_to_pool", "mean"),
        ("pad_input_channels", "conv1"),
    ):
        assert expected in changed
    assert "fuse_pad: 1 changed, 0 refused" in str(prepared)


def test_preparing_twice_changes_nothing_more() -> None:
    once = prepare(parse(NETWORK, WEIGHTS)).model
    twice = prepare(once)
    assert sha256(twice.model) == sha256(once)
    assert not any(result.changed for result in twice.passes)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_batch_stays_free(batch: int) -> None:
    model = parse(NETWORK, WEIGHTS)
    feeds = {"x": np.random.default_rng(0).standard_normal((batch, 3, 12, 12)).astype(np.float32)}
    assert_same(run(prepare(model).model, feeds), run(model, feeds))


def test_a_weight_that_several_convolutions_share_is_folded_for_each() -> None:
    # given a head that runs on three feature maps with one weight, and three BatchNormalizations
    text = f"""g (float[N,4,12,12] x) => (float[A,B,C,D] y, float[E,F,G,H] z, float[4,4,3,3] w) {{
        a = Conv(x, w, b) y = {BN.format("a")}
        c = Conv<strides = [2, 2]>(x, w, b) d = BatchNormalization(c, t, s, v, v)
        e = Conv(d, w, b) z = Relu(e)
    }}"""
    model = parse(text, {"w": (4, 4, 3, 3), "b": (4,), **statistics(4)})

    # when
    prepared = prepare(model).model

    # then
    assert ops(prepared) == {"Conv": 3, "Relu": 1}
    feeds = feeds_of(model)
    assert_same(run(prepared, feeds), run(model, feeds))
