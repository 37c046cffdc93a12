from __future__ import annotations

import numpy as np
import pytest

from pyq8.passes import name_hard_swish
from tests.passes.equivalence import apply, ops
from tests.small_models import Weights, parse

W: Weights = {
    "w1": (16, 8, 3, 3),
    "w2": (4, 16, 1, 1),
    **{k: np.float32(v) for k, v in {"zero": 0, "one": 1, "three": 3, "six": 6, "sixth": 1 / 6, "two": 2}.items()},
}


def network(body: str) -> str:
    return f"""g (float[N, 8, 9, 9] x) => (float[N, 4, H, K] y) {{
        a = Conv(x, w1)
        {body}
        y = Conv(b, w2)
    }}"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("c = Add(a, three) d = Clip(c, zero, six) e = Mul(a, d) [act] b = Div(e, six)", "HardSwish"),
        ("c = Add(three, a) d = Clip(c, zero, six) e = Mul(d, a) [act] b = Mul(e, sixth)", "HardSwish"),
        ("c = Add(a, three) d = Clip(c, zero, six) e = Div(d, six) [act] b = Mul(a, e)", "HardSwish"),
        ("c = Add(a, three) d = Clip(c, zero, six) [act] b = Mul(sixth, d)", "HardSigmoid"),
        ("c = Add(a, one) d = Clip(c, zero, two) [act] b = Div(d, two)", "HardSigmoid"),
    ],
)
def test_every_spelling_gets_its_name(body: str, expected: str) -> None:
    result, new = apply(name_hard_swish, parse(network(body), W))
    assert len(result.changed) == 1
    assert ops(new) == {"Conv": 2, expected: 1}
    assert [node.name for node in new.graph if node.op_type == expected] == ["act"]


def test_before_opset_14_it_is_a_product() -> None:
    body = "c = Add(a, three) d = Clip(c, zero, six) e = Mul(a, d) [act] b = Div(e, six)"
    _, new = apply(name_hard_swish, parse(network(body), W, opset=13))
    assert ops(new) == {"Conv": 2, "HardSigmoid": 1, "Mul": 1}


def test_a_gate_of_the_same_shape_keeps_its_product() -> None:
    body = "c = Add(a, one) d = Clip(c, zero, two) e = Div(d, two) [act] b = Mul(a, e)"
    _, new = apply(name_hard_swish, parse(network(body), W))
    assert ops(new) == {"Conv": 2, "HardSigmoid": 1, "Mul": 1}


@pytest.mark.parametrize(
    "body",
    [
        "c = Add(a, three) d = Clip(c, zero, six) [act] b = Div(d, three)",  # not 0..1
        "c = Add(a, three) d = Clip(c, one, six) [act] b = Div(d, six)",
        "c = Add(a, three) d = Clip(c, zero, six) [act] b = Div(six, d)",
        "c = Add(a, a) d = Clip(c, zero, six) [act] b = Div(d, six)",
        "c = Add(a, three) d = Clip(c, zero, six) e = Div(d, six) [act] b = Add(e, d)",  # d is read twice
    ],
)
def test_what_is_something_else_stays(body: str) -> None:
    result, _ = apply(name_hard_swish, parse(network(body), W))
    assert result.changed == ()
