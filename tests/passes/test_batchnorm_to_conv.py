from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.passes import batchnorm_to_conv
from tests.passes.equivalence import apply, ops, refusal
from tests.passes.test_fold_batchnorm import statistics
from tests.small_models import Weights, parse

W: Weights = {"w": (16, 3, 3, 3), **statistics(16)}
BN = "BatchNormalization(r, s, t, m, v)"
HEAD = "g (float[N,3,8,8] x) => (float[A,B,C,D] y) { a = Conv(x, w) r = Relu(a)"


def test_becomes_a_depthwise_convolution() -> None:
    result, new = apply(batchnorm_to_conv, parse(f"{HEAD} [bn] c = {BN} y = Relu(c) }}", W))
    assert result.changed == ("bn",)
    assert ops(new) == {"Conv": 2, "Relu": 2}
    conv = next(node for node in new.graph if node.name == "bn")
    assert conv.attributes["group"].as_int() == 16


def test_an_output_keeps_its_name_and_shape() -> None:
    _, new = apply(batchnorm_to_conv, parse(f"{HEAD} y = {BN} }}", W))
    (output,) = new.graph.outputs
    assert output.name == "y"
    assert str(output.shape) == "[A,B,C,D]"


def test_statistics_that_two_read_stay() -> None:
    text = f"""g (float[N,3,8,8] x, float[M,16] f) => (float[A,B,C,D] y, float[M,16] z) {{
        a = Conv(x, w) r = Relu(a) y = {BN}
        [n] z = {BN.replace("(r", "(f")}
    }}"""
    result, new = apply(batchnorm_to_conv, parse(text, W))
    assert result.refused == {"n": "the rank of its input is 2, not 4"}
    assert "s" in new.graph.initializers


@pytest.mark.parametrize("channels", [3, 8, 24])
def test_refuses_channels_off_the_fast_kernel(channels: int) -> None:
    weights: Weights = {"w": (channels, 3, 3, 3), **statistics(channels)}
    reason = refusal(batchnorm_to_conv, parse(f"{HEAD} [n] y = {BN} }}", weights), "n")
    assert reason == f"{channels} channels are no multiple of 16"


def test_refuses_an_unknown_rank() -> None:
    model = parse(f"{HEAD} [n] y = {BN} }}", W)
    next(node for node in model.graph if node.op_type == "Relu").outputs[0].shape = None
    assert refusal(batchnorm_to_conv, model, "n") == "the rank of its input is unknown, not 4"


def test_refuses_statistics_that_are_computed() -> None:
    model = parse(f"{HEAD} k = Relu(s) [n] y = {BN.replace('s,', 'k,')} }}", W)
    assert refusal(batchnorm_to_conv, model, "n") == "its statistics are not constant"


def test_refuses_a_factor_that_is_not_finite() -> None:
    weights = {**W, "v": np.zeros(16, np.float32)}
    new = parse(f"{HEAD} [n] y = {BN.replace('(r', '<epsilon = 0.0>(r')} }}", weights).clone()
    assert batchnorm_to_conv.run(new).refused == {"n": "its factor does not fit float32"}


def test_refuses_float16() -> None:
    # given a model whose BatchNormalization computes in half precision on float32 statistics
    text = f"{HEAD} h = Cast<to = 10>(r) [n] c = {BN.replace('(r', '(h')} y = Cast<to = 1>(c) }}"
    new = parse(text, W).clone()
    assert next(n for n in new.graph if n.name == "n").inputs[0].dtype == ir.DataType.FLOAT16  # type: ignore[union-attr]
    assert batchnorm_to_conv.run(new).refused == {"n": "its input is not known to be float32"}
