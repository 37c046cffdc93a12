"""fit_plan: what an edited plan does, and that an entry that does not fit the model is one line naming it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pyq8.correction.equalization import equalize, find_factors
from pyq8.errors import PlanError
from pyq8.model.file import sha256
from pyq8.passes import prepare
from pyq8.plan.file import PlanFile
from pyq8.plan.fit import LEFT_OUT, fit_plan, scale_channels
from pyq8.plan.make import keep_float
from pyq8.types import INT8, TABLE, Config, Feeds, Plan, QParams
from tests.small_models import Case, Weights, between, parse, quantized

BODY = """
    [relu] c = Relu(a) [pool] d = MaxPool<kernel_shape = [2, 2]>(c) [mid] e = Conv(d, w, b1) [sum] f = Add(e, d)
    [odd] g = HardSwish(f) [late] b = Conv(g, v)
"""
WEIGHTS: Weights = {"w": (16, 16, 1, 1), "v": (16, 16, 1, 1)}


def case() -> Case:
    return quantized(between(BODY, WEIGHTS))


def fit(found: Case, **changed: object) -> Plan:
    """The case's plan with other parts, as it comes out of a file."""
    plan = replace(found.plan, absorbed={}, **changed)  # type: ignore[arg-type]
    return fit_plan(PlanFile(plan, sha256(found.model), "qdq", {}), found.model, "plan.json")


def without(found: Case, *nodes: str) -> tuple[str, ...]:
    return tuple(n for n in found.plan.int8_nodes if n not in nodes)


def scaled(found: Case, name: str, factor: float) -> dict[str, QParams]:
    q = found.plan.qparams[name]
    scale = np.asarray(q.scale * np.float32(factor), np.float32)
    return {**found.plan.qparams, name: replace(q, scale=scale)}


def test_an_unedited_plan_is_the_plan() -> None:
    found = case()

    assert fit(found) == found.plan
    assert list(fit(found).qparams) == list(found.plan.qparams)


def test_an_unedited_plan_with_tables_is_the_plan() -> None:
    """What is INT8 only because tables are before it is among its nodes."""
    body = "[s] s = HardSwish(a) [t] t = Tanh(a) [k] k = Concat<axis = 1>(s, t) [c] b = Conv(k, w)"
    found = quantized(between(body, {"w": (16, 32, 1, 1)}), Config(placement="all", format="pyq8"))

    assert fit(found) == found.plan
    assert "k" in found.plan.int8_nodes


def test_a_table_behind_a_node_that_was_moved_is_none() -> None:
    found = quantized(between("[s] s = Tanh(a) [t] b = Mul(a, s)"), Config(placement="all", format="pyq8"))
    assert set(found.plan.float_nodes.values()) == {TABLE}

    edited = keep_float(found.model, found.plan, ["conv1"])

    assert TABLE not in edited.float_nodes.values()


def test_a_node_deleted_from_the_int8_nodes_is_fp32() -> None:
    found = case()

    edited = fit(found, int8_nodes=without(found, "mid"))

    wanted = keep_float(found.model, found.plan, ["mid"])
    assert edited == replace(wanted, float_nodes={**wanted.float_nodes, "mid": LEFT_OUT})


def test_a_node_moved_to_the_float_nodes_keeps_the_reason_that_was_written() -> None:
    found = case()
    reasons = {**found.plan.float_nodes, "late": "I said so"}

    assert fit(found, int8_nodes=without(found, "late"), float_nodes=reasons).float_nodes["late"] == "I said so"


def test_what_depends_on_a_node_that_was_moved_follows_it() -> None:
    found = case()

    edited = fit(found, int8_nodes=without(found, "conv1"))

    assert edited.float_nodes["pool"] == "what it reads is FP32"
    assert edited.float_nodes["relu"] == "its producer 'conv1' stays FP32"
    assert "mid" in edited.int8_nodes


def test_a_node_can_be_moved_back_to_int8() -> None:
    found = case()
    reasons = {n: r for n, r in found.plan.float_nodes.items() if n != "mid"}
    first = replace(found, plan=fit(found, int8_nodes=without(found, "mid"), float_nodes={**reasons, "mid": "no"}))
    weight = {"w": found.plan.qparams["w"]}

    again = fit(first, int8_nodes=found.plan.int8_nodes, float_nodes=reasons, qparams={**first.plan.qparams, **weight})

    assert again.int8_nodes == found.plan.int8_nodes


def test_a_changed_scale_is_taken() -> None:
    found = case()

    edited = fit(found, qparams=scaled(found, "f", 2))

    assert edited.qparams["f"].scale == 2 * found.plan.qparams["f"].scale


def bad_nodes(*names: str) -> Callable[[Case], dict[str, object]]:
    return lambda c: {"int8_nodes": (*c.plan.int8_nodes, *names)}


def bad_qparams(name: str, **values: object) -> Callable[[Case], dict[str, object]]:
    def change(c: Case) -> dict[str, object]:
        q = c.plan.qparams.get(name, c.plan.qparams["x"])
        return {"qparams": {**c.plan.qparams, name: replace(q, **values)}}  # type: ignore[arg-type]

    return change


def number(value: float) -> np.ndarray[tuple[()], np.dtype[np.float32]]:
    return np.asarray(value, np.float32)


ZEROS = np.zeros(16, np.int32)
ONES = np.ones(16, np.float32)


@pytest.mark.parametrize(("change", "told"), [
    (bad_nodes("conv9"), "int8_nodes 'conv9': the model has no such node"),
    (lambda _: {"float_nodes": {"conv9": "?"}}, "float_nodes 'conv9': the model has no such node"),
    (bad_nodes("odd"), "int8_nodes 'odd': it is among the float_nodes too; delete one of the two"),
    (lambda c: {**bad_nodes("odd")(c), "float_nodes": {}},
     "int8_nodes 'odd': it cannot be INT8: ONNX Runtime has no INT8 HardSwish; move it to float_nodes"),
    (bad_nodes("relu"), "int8_nodes 'relu': the saturation of 'conv1' computes it; delete the entry"),
    (bad_qparams("nowhere"), "qparams 'nowhere': the model has no such tensor"),
    (lambda c: {"qparams": {n: q for n, q in c.plan.qparams.items() if n != "f"}}, "no parameters for tensor 'f'"),
    (bad_qparams("f", scale=number(0)), "qparams 'f': scale 0.0, not one of 1.08e-19 to 1.33e+36"),
    (bad_qparams("f", scale=number(-1)), "qparams 'f': scale -1.0, not one of"),
    (bad_qparams("f", zero_point=np.asarray(256)), "qparams 'f': zero_point beyond 0..255 of uint8"),
    (bad_qparams("f", qtype=INT8), "qparams 'f': an activation is uint8 with one scale"),
    (bad_qparams("f", scale=ONES, zero_point=ZEROS, axis=1), "qparams 'f': an activation is uint8 with one scale"),
    (bad_qparams("w", zero_point=ZEROS + 1), "qparams 'w': a weight is int8 or int8_paired with zero_point 0"),
    (bad_qparams("w", axis=1), "qparams 'w': axis 1, the output channels lie along 0"),
    (bad_qparams("w", scale=ONES[:5], zero_point=ZEROS[:5]), "qparams 'w': 5 scales for 16 channels"),
    (lambda c: {"qparams": scaled(c, "d", 2)}, "qparams 'd': it holds the values of tensor 'c': scale 0.0"),
    (lambda c: {"qparams": scaled(c, "w", 1e-12)}, "does not fit int32 at its scale in node 'mid'; raise a scale"),
    (lambda _: {"codes": {"nowhere": np.zeros(3, np.int8)}}, "codes 'nowhere': no such weight with qparams"),
    (lambda _: {"codes": {"f": np.zeros(3, np.int8)}}, "codes 'f': no such weight with qparams"),
    (lambda _: {"codes": {"w": np.zeros((16, 4), np.int8)}}, "codes 'w': shape (16, 4), the weight has (16, 16, 1, 1)"),
    (lambda _: {"codes": {"w": np.full((16, 16, 1, 1), -128, np.int8)}}, "codes 'w': beyond -127..127 of int8"),
    (lambda _: {"bias_shift": {"nowhere": ONES}}, "bias_shift 'nowhere': no INT8 node with a bias is called so"),
    (lambda _: {"bias_shift": {"mid": ONES[:3]}}, "bias_shift 'mid': 3 values for 16 channels"),
])  # fmt: skip
def test_an_entry_that_does_not_fit(change: Callable[[Case], dict[str, object]], told: str) -> None:
    found = case()

    with pytest.raises(PlanError) as caught:
        fit(found, **change(found))

    assert str(caught.value).startswith("plan.json: ")
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_plan_of_another_model() -> None:
    found = case()
    file = PlanFile(found.plan, "ab" * 32, "qdq", {})

    with pytest.raises(PlanError, match=r"plan\.json: a plan of model abababababab, this one is "):
        fit_plan(file, found.model, Path("plan.json"))


def with_factors(found: Case, name: str, factors: list[float]) -> PlanFile:
    plan = replace(found.plan, channel_factors={name: np.asarray(factors, np.float32)})
    return PlanFile(plan, sha256(found.model), "qdq", {})


def test_channels_are_scaled_as_they_were() -> None:
    found = case()
    factors = find_factors(found.model, found.feeds)
    assert factors
    file = PlanFile(replace(found.plan, channel_factors=factors), "", "qdq", {})

    assert sha256(scale_channels(file, found.model, "plan.json")) == sha256(equalize(found.model, factors))


@pytest.mark.parametrize(("name", "factors"), [
    ("e", [1.0] * 16), ("nowhere", [1.0] * 16), ("c", [1.0] * 15), ("c", [1.0] * 15 + [0.0]), ("c", [-1.0] * 16),
])  # fmt: skip
def test_factors_that_cannot_be(name: str, factors: list[float]) -> None:
    found = case()

    with pytest.raises(PlanError, match=rf"plan\.json: a plan of another model, or its channel_factors '{name}' were"):
        scale_channels(with_factors(found, name, factors), found.model, "plan.json")


def test_pixels_keep_their_scale() -> None:
    text = """g (uint8[1, 3, 12, 12] x) => (float[N, C, H, W] y) {
        [cast] a = Cast<to = 1>(x) [scale] b = Mul(a, s) [first] y = Conv(b, w1)
    }"""
    model = prepare(parse(text, {"s": np.asarray([1 / 255], np.float32), "w1": (16, 3, 3, 3)})).model
    rng = np.random.default_rng(0)
    feeds: list[Feeds] = [{"x": rng.integers(0, 256, (1, 3, 12, 12), dtype=np.uint8)} for _ in range(3)]
    found = quantized(model, feeds=feeds)
    (name,) = [v.name or "" for n in model.graph if n.op_type == "DequantizeLinear" for v in n.outputs]

    assert fit(found) == found.plan
    with pytest.raises(PlanError, match=r"it holds the values of the model's own pixels: scale 1\.0 and zero_point"):
        fit(found, qparams=scaled(found, name, 2))
