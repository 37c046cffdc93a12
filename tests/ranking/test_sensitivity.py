"""measure_sensitivity: the layer that causes the error is named, alone in INT8 and alone in FP32."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.metrics.sqnr import sqnr
from pyq8.ranking.sensitivity import SensitivityReport, measure_sensitivity, to_decibel
from pyq8.trial import trial
from pyq8.types import Feeds, QParams
from pyq8.verify.judged import Judge, judged_model
from tests.small_models import Case, Weights, between, parse, quantized, run

BODY = "[r] c = Relu(a) [bad] d = Conv(c, w) [q] e = Relu(d) [fine] b = Conv(e, v)"
WEIGHTS: Weights = {"w": (16, 16, 1, 1), "v": (16, 16, 1, 1)}


def case(coarse: float = 1.0) -> Case:
    """Four convolutions; the result of `bad` in steps `coarse` times as wide as they should be."""
    found = quantized(between(BODY, WEIGHTS))
    right = found.plan.qparams["e"]
    wrong = QParams((right.scale * coarse).astype(np.float32), right.zero_point, right.qtype)
    return replace(found, plan=replace(found.plan, qparams={**found.plan.qparams, "e": wrong}))


def measure(found: Case, feeds: list[Feeds] | None = None) -> SensitivityReport:
    return measure_sensitivity(found.model, found.plan, feeds or found.feeds)


def test_the_layer_with_a_coarse_result_is_first_and_fp32_cures_the_one_that_reads_it_too() -> None:
    report = measure(case(coarse=16))

    assert {row.group for row in report.rows[:2]} == {"bad", "fine"}  # who writes and who reads the coarse tensor
    assert report.rows[1].alone_int8 > 10 * report.rows[2].alone_int8


def test_a_layer_with_coarse_weights_is_first_both_ways() -> None:
    found = case()
    right = found.plan.qparams["w"]
    wrong = replace(right, scale=(right.scale * 16).astype(np.float32))
    found = replace(found, plan=replace(found.plan, qparams={**found.plan.qparams, "w": wrong}))

    report = measure(found)

    assert report.rows[0].group == "bad"
    assert max(report.rows, key=report.gain).group == "bad"
    assert report.gain(report.rows[0]) > 6
    assert max(abs(report.gain(row)) for row in report.rows[1:]) < 3


def test_the_noise_is_that_of_the_models_themselves() -> None:
    found = case()
    report = measure(found)

    rows = {row.group: row for row in report.rows}
    whole, alone, without = (
        sqnr(found.reference[0], run(trial(found.model, found.plan, fp32), found.feeds)[0])
        for fp32 in ((), ("conv1", "bad", "conv2"), ("fine",))
    )
    assert to_decibel(report.noise) == pytest.approx(whole, abs=1e-3)
    assert to_decibel(rows["fine"].alone_int8) == pytest.approx(alone, abs=1e-3)
    assert to_decibel(rows["fine"].alone_fp32) == pytest.approx(without, abs=1e-3)
    assert report.samples == len(found.feeds)


def test_batching_changes_nothing() -> None:
    found = case()
    joined: list[Feeds] = [{"x": np.concatenate([f["x"] for f in found.feeds])}]

    assert measure(found, joined) == measure(found)


def test_the_images_that_fill_a_fixed_batch_up_do_not_count() -> None:
    one, two = (quantized(between(BODY, WEIGHTS, shape=f"{batch}, 8, 12, 12")) for batch in (1, 2))
    images: list[Feeds] = [{"x": np.concatenate([f["x"] for f in one.feeds[:3]])}]

    alone, paired = (measure(replace(one, model=found.model), images) for found in (one, two))

    assert paired.noise == pytest.approx(alone.noise, rel=1e-4)


def test_outputs_count_alike_whatever_their_size() -> None:
    text = """g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y, float[N, D, H, W] z) {
        [one] a = Conv(x, w1) [left] y = Conv(a, w2) [right] z = Conv(a, w3)
    }"""
    big = 1e3 * np.random.default_rng(0).standard_normal((16, 16, 1, 1)).astype(np.float32)
    found = quantized(parse(text, {"w1": (16, 8, 1, 1), "w2": (16, 16, 1, 1), "w3": big}))
    model = judged_model(found.model, found.plan)

    noise = Judge(model, found.feeds).noise(trial(model, found.plan))

    pairs = zip(found.reference, found.outputs["qdq"], strict=True)
    assert noise == pytest.approx(np.mean([10 ** (-sqnr(ref, x) / 10) for ref, x in pairs]), rel=1e-4)


def test_fp32_is_no_noise() -> None:
    found = case()

    assert Judge(found.model, found.feeds).noise(found.model) == 0.0


def detector() -> Case:
    """Boxes behind a Reshape, scores behind a Relu; NMS says as floats which five are best."""
    text = """g (float[1, 8, 4, 4] x) => (float[K, three] found) {
        [one] a = Conv(x, w1) [boxes] p = Conv(a, w2) [scores] s = Conv(a, w3) [act] t = Relu(s)
        [view] b = Reshape(p, s1) [decode] d = Abs(b) [view2] c = Reshape(t, s2)
        [nms] picked = NonMaxSuppression(d, c, most) [out] found = Cast<to = 1>(picked)
    }"""
    weights: Weights = {"w1": (16, 8, 1, 1), "w2": (4, 16, 1, 1), "w3": (3, 16, 1, 1), "s1": np.array([1, 16, 4]),
                        "s2": np.array([1, 3, 16]), "most": np.array([5])}  # fmt: skip
    return quantized(parse(text, weights))


def test_with_nms_what_the_last_convolutions_hand_on_is_judged() -> None:
    report = measure(detector())

    assert set(report.outputs) == {"b", "t"}  # behind the Reshape, which moves integers, and the Relu, which saturates
    assert {row.group for row in report.rows} == {"one", "boxes", "scores"}
    assert all(20 < to_decibel(row.alone_int8) < 80 for row in report.rows)


def test_without_anything_that_picks_the_outputs_themselves_are_judged() -> None:
    text = """g (float[1, 8, 4, 4] x) => (float[N, C, H, W] z) {
        [one] a = Conv(x, w1) [two] y = Conv(a, w2) [act] z = Softmax<axis = 1>(y)
    }"""
    found = quantized(parse(text, {"w1": (16, 8, 1, 1), "w2": (16, 16, 1, 1)}))

    assert [v.name for v in judged_model(found.model, found.plan).graph.outputs] == ["z"]


def test_an_output_that_is_no_float_is_not_judged() -> None:
    text = """g (float[1, 8, 4, 4] x) => (float[N, C, H, W] y, int64[R] s) {
        [one] a = Conv(x, w1) [two] y = Conv(a, w2) [size] s = Shape(y)
    }"""
    found = quantized(parse(text, {"w1": (16, 8, 1, 1), "w2": (16, 16, 1, 1)}))

    assert [v.name for v in judged_model(found.model, found.plan).graph.outputs] == ["y"]


def test_the_model_is_left_as_it_was() -> None:
    found = detector()
    before = ir.to_proto(found.model).SerializeToString(deterministic=True)

    measure(found)

    assert ir.to_proto(found.model).SerializeToString(deterministic=True) == before


def test_json_round_trip() -> None:
    report = measure(case())

    assert SensitivityReport.from_json(json.loads(json.dumps(report.to_json()))) == report
