"""What only a Concat reads shares its scale: the Concat copies, and values are rounded once."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.types import Config
from tests.small_models import FORMATS, Weights, parse, quantized

SMALL = np.full((16, 8, 1, 1), 0.01, np.float32)
W: Weights = {"a": SMALL, "b": (16, 8, 3, 3), "c": (16, 32, 1, 1), "d": (16, 16, 1, 1)}

JOIN = """g (float[N, 8, 8, 8] x) => (float[N, 16, 8, 8] y{more}) {{
    [one] p = Conv(x, a)
    [two] q = Conv<pads = [1, 1, 1, 1]>(x, b)
    [join] j = Concat<axis = 1>(p, q)
    [last] y = Conv(j, c)
    {extra}
}}"""


def test_the_branches_have_the_scale_of_the_concat() -> None:
    case = quantized(parse(JOIN.format(more="", extra=""), W))
    assert case.plan.qparams["p"] == case.plan.qparams["q"] == case.plan.qparams["j"]
    for form in FORMATS:
        assert case.row(form, "join").int8


def test_a_branch_that_others_read_keeps_its_own() -> None:
    text = JOIN.format(more=", float[N, 16, 8, 8] z", extra="[other] z = Conv(p, d)")
    case = quantized(parse(text, W))
    assert case.plan.qparams["p"] != case.plan.qparams["j"]
    assert case.plan.qparams["q"] == case.plan.qparams["j"]


@pytest.mark.parametrize("excluded", ["join", "one"])
def test_excluding_the_concat_or_a_branch_still_works(excluded: str) -> None:
    case = quantized(parse(JOIN.format(more="", extra=""), W), Config(exclude=(excluded,)))
    assert case.plan.float_nodes == {excluded: f"excluded by '{excluded}'"}
    for form in FORMATS:
        assert not case.row(form, excluded).int8
