from __future__ import annotations

import numpy as np
import pytest

from pyq8.passes import remove_identity
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import Weights, parse

W: Weights = {"w": (4, 3, 3, 3)}
HEAD = "g (float[N,3,8,8] x) =>"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("a = Identity(x)  y = Conv(a, w)", id="behind an input"),
        pytest.param("v = Identity(w)  y = Conv(x, v)", id="a weight's"),
        pytest.param("a = Conv(x, w)  b = Dropout(a)  y = Relu(b)", id="dropout"),
        pytest.param("a = Conv(x, w)  b = Dropout(a, ratio)  y = Relu(b)", id="dropout, ratio given"),
        pytest.param("a = Conv(x, w)  b = Dropout(a, ratio, no)  y = Relu(b)", id="dropout, training off"),
        pytest.param("a = Conv(x, w)  b, mask = Dropout(a)  y = Relu(b)", id="dropout, mask not read"),
        pytest.param("a = Conv(x, w)  b = Identity(a)  c = Identity(b)  y = Relu(c)", id="a chain"),
        pytest.param("a = Conv(x, w)  r = Relu(a)  b = Identity(a)  y = Add(r, b)", id="read beside it"),
    ],
)
def test_removes(body: str) -> None:
    # given
    weights = {**W, "ratio": np.float32(0.5), "no": np.array(False)}
    model = parse(f"{HEAD} (float[N,4,6,6] y) {{ {body} }}", weights)

    # when
    result, new = apply(remove_identity, model)

    # then
    assert result.changed
    assert not {"Identity", "Dropout"} & set(ops(new))


@pytest.mark.parametrize("op", ["Identity", "Dropout"])
def test_an_output_keeps_its_name_shape_and_type(op: str) -> None:
    model = parse(f"{HEAD} (float[batch,4,6,6] y) {{ a = Conv(x, w) b = Relu(a) y = {op}(b) }}", W)

    _, new = apply(remove_identity, model)

    (output,) = new.graph.outputs
    producer = output.producer()
    assert producer is not None and producer.op_type == "Relu"
    assert output.name == "y"
    assert str(output.shape) == "[batch,4,6,6]"


def test_an_output_that_others_read_too_keeps_its_name() -> None:
    text = f"{HEAD} (float[N,4,6,6] y, float[N,4,6,6] z) {{ a = Conv(x, w) y = Identity(a) z = Relu(y) n = Neg(a) }}"
    _, new = apply(remove_identity, parse(text, W))
    assert [v.name for v in new.graph.outputs] == ["y", "z"]
    assert "Identity" not in ops(new)


def test_an_output_inside_a_branch_reads_the_source() -> None:
    # given an Identity that only the body of an If reads
    text = """g (float[N,3,8,8] x, bool c) => (float[N,4,6,6] y) {
        a = Conv(x, w)
        b = Identity(a)
        y = If(c) <
            then_branch = t () => (float[N,4,6,6] t1) { t1 = Neg(b) },
            else_branch = e () => (float[N,4,6,6] e1) { e1 = Relu(b) }
        >
    }"""
    result, _ = apply(remove_identity, parse(text, W))
    assert len(result.changed) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            f"{HEAD} (float[N,4,6,6] y, float[N,3,8,8] z) {{ y = Conv(x, w) [n] z = Identity(x) }}",
            "it names an output of the model",
            id="input to output",
        ),
        pytest.param(
            f"{HEAD} (float[N,4,6,6] y, float[4,3,3,3] z) {{ y = Conv(x, w) [n] z = Identity(w) }}",
            "it names an output of the model",
            id="weight to output",
        ),
        pytest.param(
            f"{HEAD} (float[N,4,6,6] y, float[N,4,6,6] z) {{ y = Conv(x, w) [n] z = Identity(y) }}",
            "it names an output of the model",
            id="two outputs, one value",
        ),
        pytest.param(
            f"{HEAD} (float[N,4,6,6] y, bool[N,4,6,6] m) {{ a = Conv(x, w) [n] b, m = Dropout(a) y = Relu(b) }}",
            "its mask is read",
            id="mask",
        ),
        pytest.param(
            "g (float[N,3,8,8] x, bool yes) => (float[N,4,6,6] y) {"
            "a = Conv(x, w) [n] b = Dropout(a, zero, yes) y = Relu(b) }",
            "it is in training mode",
            id="perhaps in training",
        ),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    model = parse(text, {**W, "zero": np.float32(0)})
    assert refusal(remove_identity, model, "n") == reason
