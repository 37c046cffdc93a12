"""From statistics to scales: what shares one, what is fixed, what is per channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyq8.errors import CalibrationError
from pyq8.metrics.sqnr import sqnr
from pyq8.plan.make import make_plan
from pyq8.stats import Half
from pyq8.types import INT8, PAIRED, UINT8, Config, QParams
from tests.small_models import FORMATS, between, quantized


def qparams(body: str, config: Config | None = None, **weights: object) -> dict[str, QParams]:
    return dict(quantized(between(body, weights), config).plan.qparams)  # type: ignore[arg-type]


def test_a_tensor_behind_relu_has_zero_point_zero_and_its_input_needs_nothing() -> None:
    found = qparams("[n] b = Relu(a)")

    assert int(found["b"].zero_point) == 0
    assert "a" not in found


def test_minmax_covers_what_was_seen() -> None:
    case = quantized(between("[n] b = Add(a, a)"), Config(observer="minmax"))

    for name in ("x", "a", "b", "y"):
        low, high = case.plan.qparams[name].range
        half = float(case.plan.qparams[name].scale) / 2
        assert low <= case.calibration.stats[name].min + half
        assert high >= case.calibration.stats[name].max - half


def test_a_chain_of_movements_shares_one_scale() -> None:
    body = "[m] c = MaxPool<kernel_shape = [2, 2]>(a) [t] d = Transpose<perm = [0, 1, 3, 2]>(c) [p] b = Pad(d, p)"

    found = qparams(body, p=np.array([0, 0, 1, 1, 0, 0, 1, 1]))

    assert found["a"] == found["c"] == found["d"] == found["b"]


def test_sigmoid_uses_zero_to_one_whatever_was_seen() -> None:
    low, high = qparams("[n] b = Sigmoid(a)")["b"].range

    assert low == 0
    assert high == pytest.approx(1)


MASK = """[s] s = Softmax<axis = 1>(a) [m] d = Mul(s, s2) [t] e = Transpose<perm = [0, 1, 3, 2]>(d)
          [n] b = Mul(a, e)"""


@pytest.mark.parametrize("exclude", [(), ("s",), ("s", "m")])
def test_a_mask_that_hardly_uses_zero_to_one_has_the_range_that_was_seen(exclude: tuple[str, ...]) -> None:
    body, weights = MASK.replace("(a) [m]", "(a0) [m]"), {"s2": np.float32(16), "tiny": np.float32(0.01)}
    model = between(f"[scale] a0 = Mul(a, tiny) {body}", weights)  # one of 16 channels each

    case = quantized(model, Config(exclude=exclude))

    if "s" not in exclude:
        assert case.plan.qparams["s"].range[1] == pytest.approx(1 / 16, rel=0.1)
    low, high = case.plan.qparams["b"].range  # a product with a mask: nothing of it is an outlier
    stats, half = case.calibration.stats["b"], float(case.plan.qparams["b"].scale) / 2
    assert (low, high) == pytest.approx((stats.min, stats.max), abs=half)
    for name in FORMATS:
        assert sqnr(case.reference[0], case.outputs[name][0]) > 30


@pytest.mark.parametrize(("shift", "high"), [(0.0, 1.0), (-7.0, None)])
def test_gates_that_hardly_open_have_the_range_that_was_seen(shift: float, high: float | None) -> None:
    model = between("[h] c = Add(a, h) [s] s = Sigmoid(c) [n] b = Mul(a, s)", {"h": np.float32(shift)})

    case = quantized(model)

    found = case.plan.qparams["s"].range[1]
    assert found == pytest.approx(high or case.calibration.stats["s"].max, rel=0.05)
    for name in FORMATS:
        assert sqnr(case.reference[0], case.outputs[name][0]) > 25


def test_a_constant_operand_is_covered_whole_whatever_the_observer() -> None:
    k = np.full((16, 1, 1), 0.01, np.float32)
    k[3] = 80  # an outlier that an observer would cut off

    low, high = qparams("[n] b = Mul(a, k)", Config(observer="percentile"), k=k)["k"].range

    assert low == 0
    assert high == pytest.approx(80)


def test_weights_are_symmetric_and_per_output_channel() -> None:
    case = quantized(between("[n] b = Relu(a)"))
    weight = case.model.graph.initializers["w2"].const_value
    assert weight is not None

    found = case.plan.qparams["w2"]

    assert (found.axis, found.qtype) == (0, INT8)
    assert not found.zero_point.any()
    np.testing.assert_allclose(found.scale, np.abs(weight.numpy()).max(axis=(1, 2, 3)) / 127, rtol=1e-6)


def test_weights_that_saturate_on_no_cpu() -> None:
    eight, paired = (qparams("[n] b = Relu(a)", Config(weight_type=t))["w2"] for t in (INT8, PAIRED))

    assert paired.qtype is PAIRED
    ratio = paired.scale / eight.scale
    assert (ratio >= 1).all() and (ratio < 127 / 64).all()  # 7 bits are 127 / 63


def test_activations_are_uint8() -> None:
    found = qparams("[n] b = HardSwish(a)")

    assert {name for name, q in found.items() if q.qtype == UINT8} == {"x", "a", "b", "y"}
    assert all(q.axis is None for q in found.values() if q.qtype == UINT8)


def test_a_tensor_that_was_not_observed() -> None:
    case = quantized(between("[n] b = Relu(a)"))
    first, second = (
        Half({name: s for name, s in half.stats.items() if name != "b"}, half.samples)
        for half in case.calibration.halves
    )
    less = replace(case.calibration, halves=(first, second))

    with pytest.raises(CalibrationError, match="'b' was not observed"):
        make_plan(case.model, less, Config())
