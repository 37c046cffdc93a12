"""Corrected plans: closer to FP32 than the plain one, whatever the node; the same whatever the order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyq8 import cpu, kernels
from pyq8.calibration.calibrate import calibrate
from pyq8.correction.correct import correct
from pyq8.correction.effort import EFFORTS, Effort
from pyq8.metrics.sqnr import sqnr
from pyq8.plan.make import make_plan
from pyq8.rewrite import rewrite
from pyq8.types import INT7, Config
from tests.small_models import Weights, between, parse, quantized, random_feeds, run

BODIES = {
    "convolution": ("c = Relu(a) e = Conv<pads = [1, 1, 1, 1]>(c, w) b = Relu(e)", {"w": (16, 16, 3, 3)}),
    "depthwise": ("c = Relu(a) e = Conv<group = 16>(c, d) b = Relu(e)", {"d": (16, 1, 3, 3)}),
    "groups": ("c = Relu(a) e = Conv<group = 4>(c, d) b = Relu(e)", {"d": (16, 4, 3, 3)}),
    "residual": ("c = Relu(a) e = Conv<pads = [1, 1, 1, 1]>(c, w) f = Add(c, e) b = Relu(f)", {"w": (16, 16, 3, 3)}),
}
EFFORT = Effort(equalize=False, images=0, pixels=32, layers=2)


@pytest.mark.parametrize("config", [Config(), Config(weight_type=INT7)], ids=["int8", "int7"])
@pytest.mark.parametrize(("body", "weights"), BODIES.values(), ids=BODIES)
def test_corrections_bring_the_output_closer(body: str, weights: Weights, config: Config) -> None:
    model = between(body, weights)
    feeds, others = random_feeds(model, 24)[:16], random_feeds(model, 24)[16:]
    plain = quantized(model, config, feeds)

    better = correct(model, plain.plan, lambda: feeds, EFFORT, rewrite)

    (expected,) = run(model, others)
    before, after = (sqnr(expected, run(rewrite(model, p), others)[0]) for p in (plain.plan, better))
    assert after > before
    assert set(better.codes) == {"w1", "w2", *weights}


def test_gemm_and_matmul() -> None:
    text = """g (float[1, 4, 6, 6] x) => (float[N, C] y) {
        [zero] p = Conv(x, w0) f = Flatten(p)
        [one] a = Gemm<transB = 1>(f, w1, b1) b = Relu(a) [two] c = Gemm(b, w2) [three] y = MatMul(c, w3) }"""
    model = parse(text, {"w0": (16, 4, 6, 6), "w1": (16, 16), "b1": (16,), "w2": (16, 16), "w3": (16, 8)})
    feeds = random_feeds(model, 40)
    plain = quantized(model, Config(weight_type=INT7), feeds)

    better = correct(model, plain.plan, lambda: feeds, EFFORT, rewrite)

    (expected,) = run(model, feeds)
    before, after = (sqnr(expected, run(rewrite(model, p), feeds)[0]) for p in (plain.plan, better))
    assert after > before
    assert set(better.codes) == {"w0", "w1", "w2", "w3"}
    assert set(better.bias_shift) == {"zero", "one", "two"}


def test_a_bias_corrects_what_came_before_it() -> None:
    """conv1's output is clipped to half: its mean is wrong, and no rounding is to blame."""
    model = between("b = Relu(a)")
    feeds = random_feeds(model)
    calibration = calibrate(model, feeds, Config())
    plan = make_plan(model, calibration, Config())
    half = replace(plan.qparams["b"], scale=np.float32(plan.qparams["b"].scale / 2))
    clipped = replace(plan, qparams={**plan.qparams, "b": half})

    def drift(layers: int) -> float:
        better = correct(model, clipped, lambda: feeds, replace(EFFORT, layers=layers), rewrite)
        error = run(rewrite(model, better), feeds)[0] - run(model, feeds)[0]
        return float(np.abs(error.mean(axis=(0, 1, 3, 4))).max())

    assert drift(1) < 0.3 * drift(2)  # in one pass, conv2 corrects its own rounding only


def test_bias_correction_can_be_off() -> None:
    model = between("b = Relu(a)")
    feeds = random_feeds(model)
    config = Config(bias_correction=False)
    plain = quantized(model, config, feeds)

    better = correct(model, plain.plan, lambda: feeds, EFFORT, rewrite, shift_bias=False)

    assert better.codes
    assert dict(better.bias_shift) == {}


def test_a_shared_weight_keeps_the_nearest_codes() -> None:
    model = parse(
        "g (float[1, 16, 6, 6] x) => (float[N, C, H, W] y) { [one] a = Conv(x, w) b = Relu(a) [two] y = Conv(b, w) }",
        {"w": (16, 16, 1, 1)},
    )
    case = quantized(model)

    assert dict(correct(model, case.plan, lambda: case.feeds, EFFORT, rewrite).codes) == {}


def test_efforts_are_ordered() -> None:
    fast, default, best = (EFFORTS.get(name) for name in ("fast", "default", "best"))

    assert fast.images == 0
    assert 0 < default.images <= best.images
    assert 0 < best.layers <= default.layers


@pytest.mark.parametrize("isa", ["reference", kernels.isas()[0]])
@pytest.mark.parametrize("cores", [1, 3])
def test_neither_cores_nor_instructions_change_the_plan(isa: str, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = between(*BODIES["depthwise"])
    feeds = random_feeds(model, 16)
    plan = quantized(model, Config(), feeds).plan
    expected = correct(model, plan, lambda: feeds, EFFORT, rewrite)

    monkeypatch.setenv("PYQ8_ISA", isa)
    monkeypatch.setattr(cpu, "share", lambda: cores)

    assert correct(model, plan, lambda: feeds, EFFORT, rewrite) == expected
