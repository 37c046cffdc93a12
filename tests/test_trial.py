"""Variants of a plan's model: nodes returned to FP32, and biases that correct only their own layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyq8.trial import own_corrections, trial

from .small_models import Weights, between, quantized

BODY = "[r] c = Relu(a) [mid] b = Conv(c, w, b1)"
WEIGHTS: Weights = {"w": (16, 16, 1, 1)}


def test_a_trial_is_the_quantized_model_with_nodes_in_fp32() -> None:
    found = quantized(between(BODY, WEIGHTS))

    model = trial(found.model, found.plan, ["mid"], "qoperator")

    assert {n.name: n.op_type for n in model.graph if n.name in ("conv1", "mid")} == {
        "conv1": "QLinearConv",
        "mid": "Conv",
    }


def test_a_bias_corrects_the_rounding_of_its_own_weights_and_nothing_else() -> None:
    found = quantized(between(BODY, WEIGHTS))
    for_all = {name: shift + 1 for name, shift in found.plan.bias_shift.items() if name != "conv2"}

    own = own_corrections(found.model, replace(found.plan, bias_shift=for_all), found.calibration)

    assert own == replace(found.plan, bias_shift={n: found.plan.bias_shift[n] for n in ("conv1", "mid")})


def test_the_rounding_is_that_of_the_plans_own_integers() -> None:
    found = quantized(between(BODY, WEIGHTS))
    scale = found.plan.qparams["w"].scale
    weight = found.model.graph.initializers["w"].const_value
    mean = found.calibration.stats["c"].channel_mean
    assert weight is not None and mean is not None
    codes = np.clip(np.floor(weight.numpy() / scale.reshape(-1, 1, 1, 1)), -127, 127).astype(np.int8)

    own = own_corrections(found.model, replace(found.plan, codes={"w": codes}), found.calibration)

    error = (codes * scale.reshape(-1, 1, 1, 1) - weight.numpy())[:, :, 0, 0]
    np.testing.assert_allclose(own.bias_shift["mid"], -error @ mean.value, rtol=1e-4, atol=1e-6)
