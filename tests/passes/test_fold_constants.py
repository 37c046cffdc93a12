from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.graph_edit import constant
from pyq8.passes import fold_constants, prepare
from tests.passes.equivalence import apply, feeds_of, ops, refusal, run
from tests.small_models import Weights, parse

W: Weights = {"w": (4, 3, 3, 3), "two": np.float32(2)}
HEAD = "g (float[N,3,8,8] x) => (float[N,4,6,6] y)"


def weight_of(model: ir.Model, node: str) -> ir.Value | None:
    return next(n.inputs[1] for n in model.graph if n.name == node)


def test_a_chain_of_constants_becomes_one_initializer() -> None:
    # given a weight that is computed from another
    model = parse(f"{HEAD} {{ a = Mul(w, two) b = Neg(a) [conv] y = Conv(x, b) }}", W)

    # when
    result, new = apply(fold_constants, model)

    # then only the end of the chain is kept, under its name
    assert len(result.changed) == 1
    assert ops(new) == {"Conv": 1}
    assert set(new.graph.initializers) == {"b"}


def test_an_initializer_that_others_read_stays() -> None:
    text = f"{HEAD} {{ v = Neg(w) a = Conv(x, w) b = Conv(x, v) y = Add(a, b) }}"
    _, new = apply(fold_constants, parse(text, W))
    assert set(new.graph.initializers) == {"w", "v"}


def test_the_shape_of_a_fixed_size_is_constant() -> None:
    text = """g (float[1,3,8,8] x) => (float[1,144] y) {
        a = Conv(x, w) s = Shape(a) n = Gather(s, zero) t = Concat<axis = 0>(n, rest) y = Reshape(a, t)
    }"""
    model = parse(text, {**W, "zero": np.array([0]), "rest": np.array([-1])})
    prepared = prepare(model).model
    assert ops(prepared) == {"Conv": 1, "Reshape": 1}
    feeds = feeds_of(model)
    assert np.array_equal(run(prepared, feeds)["y"], run(model, feeds)["y"])


@pytest.mark.parametrize(
    ("size", "declared"),
    [
        pytest.param("4", "1", id="another batch size was set"),
        pytest.param("N", "1", id="the batch was made free"),
        pytest.param("-1", "-1", id="-1 for any"),
    ],
)
def test_a_shape_that_the_file_gets_wrong_is_not_folded(size: str, declared: str) -> None:
    # given a model whose batch size was edited after the export, the shapes inside left as they were
    text = """g (float[N,3,8,8] x) => (float[M,K] y) <float[1,4,6,6] a> {
        a = Conv(x, w) s = Shape(a) n = Gather(s, zero) t = Concat<axis = 0>(n, rest) y = Reshape(a, t)
    }"""
    model = parse(text, {**W, "zero": np.array([0]), "rest": np.array([-1])})
    for value, given in ((model.graph.inputs[0], size), (model.graph.node(0).outputs[0], declared)):
        assert value.shape is not None
        value.shape = ir.Shape([int(given) if given.lstrip("-").isdigit() else given, *list(value.shape)[1:]])

    # when four images go through the prepared model
    images = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)

    # then there are four results
    assert run(prepare(model).model, {"x": images})["y"].shape == (4, 144)


def test_a_value_that_a_loop_reads_is_replaced_there_too() -> None:
    text = """g (float[N,3,8,8] x, int64 n) => (float[N,4,6,6] y) {
        a = Conv(x, w) k = Mul(two, two)
        y = Loop(n, yes, a) <body = b (int64 i, bool c, float[N,4,6,6] v) => (bool d, float[N,4,6,6] u) {
            d = Identity(c) u = Mul(v, k)
        }>
    }"""
    model = parse(text, {**W, "yes": np.array(True)})
    feeds = {"x": np.ones((1, 3, 8, 8), np.float32), "n": np.array(2)}
    result, new = apply(fold_constants, model, feeds)
    assert len(result.changed) == 1
    assert "k" in new.graph.initializers


def test_one_of_two_outputs() -> None:
    # given a Split of a constant, one half of which is an output of the model
    text = """g (float[N,3,8,8] x) => (float[N,2,6,6] y, float[2,3,3,3] h) {
        [split] h, v = Split<axis = 0>(w, halves) y = Conv(x, v)
    }"""
    model = parse(text, {**W, "halves": np.array([2, 2])})
    result, new = apply(fold_constants, model)
    assert result.refused == {"split": "it is an output of the model"}
    assert ops(new) == {"Split": 1, "Conv": 1}
    assert constant(new.graph.initializers["v"]) is not None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("k = ConstantOfShape(many)", id="ConstantOfShape"),
        pytest.param("k = Expand(two, many)", id="Expand"),
        pytest.param("k0 = Range(zero, end, one) k1 = Cast<to = 1>(k0) k = Reshape(k1, many)", id="Range"),
        pytest.param("k0 = Expand(two, many) k = Neg(k0)", id="at the end of a chain"),
    ],
)
def test_values_that_would_swell_the_file_stay_computed(body: str) -> None:
    sizes = {"zero": np.array(0), "one": np.array(1), "end": np.array(600 * 600), "many": np.array([1, 1, 600, 600])}
    text = (
        f"g (float[N,3,8,8] x) => (float[A,B,C,D] y) {{ a = Conv(x, w) p = GlobalAveragePool(a) {body} y = Add(p, k) }}"
    )
    model = parse(text, {**W, **sizes})
    result, new = apply(fold_constants, model)
    assert result.changed == ()
    assert list(result.refused.values()) == ["its value takes 1440000 bytes"]
    assert sum(v.const_value.nbytes for v in new.graph.initializers.values() if v.const_value) < 2000


def test_an_output_stays() -> None:
    text = "g (float[N,3,8,8] x) => (float[N,4,6,6] y, float[4,3,3,3] z) { y = Conv(x, w) [n] z = Neg(w) }"
    assert refusal(fold_constants, parse(text, W), "n") == "it is an output of the model"


def test_a_sequence_on_the_way_does_not_matter() -> None:
    text = f"{HEAD} {{ s = SequenceConstruct(w, w) v = SequenceAt(s, zero) y = Conv(x, v) }}"
    _, new = apply(fold_constants, parse(text, {**W, "zero": np.array(0)}))
    assert ops(new) == {"Conv": 1}


def test_a_sequence_that_an_if_reads_stays() -> None:
    text = """g (float[N,3,8,8] x, bool c) => (float[N,4,6,6] y) {
        [n] s = SequenceConstruct(w, w)
        v = If(c) <
            then_branch = t () => (float[4,3,3,3] t1) { t1 = SequenceAt(s, zero) },
            else_branch = e () => (float[4,3,3,3] e1) { e1 = Neg(w) }
        >
        y = Conv(x, v)
    }"""
    model = parse(text, {**W, "zero": np.array(0)})
    assert refusal(fold_constants, model, "n") == "ONNX Runtime could not compute its value beforehand"


def test_random_values_stay_random() -> None:
    text = f"{HEAD} {{ a = Conv(x, w) r = RandomNormalLike<seed = 1.0>(two) k = Neg(r) y = Mul(a, k) }}"
    new = parse(text, W).clone()
    assert fold_constants.run(new).changed == ()
    assert ops(new) == {"Conv": 1, "RandomNormalLike": 1, "Neg": 1, "Mul": 1}


def test_a_node_that_cannot_be_computed_stays() -> None:
    # given constants that do not fit each other, behind a switch that is never on
    text = """g (float[N,3,8,8] x, bool c) => (float[N,4,6,6] y) {
        [bad] bad = Reshape(w, wrong)
        y = If(c) <
            then_branch = t () => (float[N,4,6,6] t1) { t1 = Conv(x, w) },
            else_branch = e () => (float[N,4,6,6] e1) { e0 = Conv(x, w) e1 = Add(e0, bad) }
        >
    }"""
    model = parse(text, {**W, "wrong": np.array([7])})
    new = model.clone()
    assert fold_constants.run(new).refused == {"bad": "ONNX Runtime could not compute its value beforehand"}
    assert "bad" in [node.name for node in new.graph]
