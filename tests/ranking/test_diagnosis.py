"""diagnose: whether the input, the weights or the output of a layer cause its error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pyq8.metrics.sqnr import sqnr
from pyq8.plan.groups import find_groups
from pyq8.ranking.diagnosis import Diagnosis, diagnose
from pyq8.ranking.rounded import round_tensors, round_weights
from pyq8.trial import trial
from pyq8.types import Plan, QParams
from pyq8.verify.judged import Judge, judged_model
from tests.small_models import Case, Weights, between, parse, quantized, run

BODY = "[r] c = Relu(a) [one] d = Conv(c, w, c1) [q] e = Relu(d) [sum] f = Add(e, c) [two] b = Conv(f, v)"
WEIGHTS: Weights = {"w": (16, 16, 1, 1), "v": (16, 16, 1, 1), "c1": (16,)}


def case(coarse: str = "") -> Case:
    """The scale of one tensor or weight 16 times as large as it should be."""
    found = quantized(between(BODY, WEIGHTS))
    return replace(found, plan=coarsen(found.plan, coarse)) if coarse else found


def coarsen(plan: Plan, name: str) -> Plan:
    right = plan.qparams[name]
    wrong = QParams((right.scale * 16).astype(np.float32), right.zero_point, right.qtype, right.axis)
    return replace(plan, qparams={**plan.qparams, name: wrong})


def why(found: Case, group: str = "one") -> Diagnosis:
    model = judged_model(found.model, found.plan)
    groups = [g for g in find_groups(model, found.plan) if g.name == group]
    return diagnose(model, found.plan, groups, found.feeds, Judge(model, found.feeds))[group]


@pytest.mark.parametrize(("tensor", "cause", "told"), [
    ("c", "input", "input (99%) c: range [0, "),
    ("w", "weights", "of the tensor's largest and use 7.9 of 127 steps"),
    ("f", "output", "%) f: range ["),
])  # fmt: skip
def test_the_cause_is_named(tensor: str, cause: str, told: str) -> None:
    found = why(case(tensor))

    parts = {"input": found.input, "weights": found.weights, "output": found.output}
    assert max(parts, key=parts.__getitem__) == cause
    assert parts[cause] > 20 * sorted(parts.values())[1]
    assert told in str(found) and ";" not in str(found)


def test_a_cause_is_what_it_does_alone() -> None:
    found = case()
    model = judged_model(found.model, found.plan)
    groups = {g.name: g for g in find_groups(model, found.plan)}
    judge = Judge(model, found.feeds)

    others = [n for g in groups.values() if g.name != "one" for n in g.nodes]
    alone = judge.noise(trial(model, found.plan, others))
    parts = why(found)

    assert parts.input + parts.weights + parts.output == pytest.approx(
        alone, rel=0.3
    )  # errors that know nothing of one another


def test_rounded_weights_are_those_of_the_int8_model_with_their_bias() -> None:
    text = "g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y) { [one] y = Conv(x, w1, b1) }"
    found = quantized(parse(text, {"w1": (16, 8, 3, 3), "b1": (16,)}))
    codes = np.full((16, 8, 3, 3), 3, np.int8)
    plan = replace(found.plan, codes={"w1": codes}, bias_shift={"one": np.arange(16, dtype=np.float32)})

    (node,) = round_weights(found.model, plan, ["one"]).graph

    weight, bias, before = (v.const_value for v in (*node.inputs[1:], next(iter(found.model.graph)).inputs[2]) if v)
    assert weight and bias and before
    np.testing.assert_allclose(
        weight.numpy(), 3 * np.broadcast_to(plan.qparams["w1"].scale.reshape(-1, 1, 1, 1), codes.shape)
    )
    np.testing.assert_allclose(bias.numpy(), before.numpy() + np.arange(16), rtol=1e-6)


@pytest.mark.parametrize("names", [["x"], ["c"], ["f"], ["y"], ["x", "c", "f", "y"]])
def test_rounded_tensors_take_the_values_of_their_integers(names: list[str]) -> None:
    found = case()
    model = round_tensors(found.model, found.plan, names)

    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert [v.name for v in model.graph.outputs] == ["y"]
    assert len([n for n in model.graph if n.op_type == "QuantizeLinear"]) == len(names)
    (rounded,) = run(model, found.feeds)
    assert 20 < sqnr(found.reference[0], rounded) < 60
    if "y" in names:
        q = found.plan.qparams["y"]
        np.testing.assert_allclose(rounded / q.scale, np.rint(rounded / q.scale), atol=1e-3)


@pytest.mark.parametrize("change", [round_tensors, round_weights])
def test_the_model_is_left_as_it_was(change: Callable[..., ir.Model]) -> None:
    found = case()
    before = ir.to_proto(found.model).SerializeToString(deterministic=True)

    change(found.model, found.plan, ["x", "c", "y", "one"])

    assert ir.to_proto(found.model).SerializeToString(deterministic=True) == before


def test_what_only_moves_values_rounds_nothing_itself() -> None:
    body = "[r] c = Relu(a) [one] d = Conv(c, w) [pool] b = MaxPool<kernel_shape = [2, 2]>(d)"
    found = quantized(between(body, {"w": (16, 16, 1, 1)}))

    parts = why(found)

    assert parts.computes is not None and parts.computes.tensor == "d"


def test_json_round_trip() -> None:
    found = why(case("c"))

    data = json.loads(json.dumps(found.to_json()))

    assert data["text"] == str(found)
    assert Diagnosis.from_json(data) == found
