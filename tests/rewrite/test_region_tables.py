"""A chain of elementwise operators between INT8 nodes is one table of codes in a region."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8 import kernels
from pyq8.metrics.sqnr import sqnr
from pyq8.rewrite import rewrite
from pyq8.types import TABLE, Config
from pyq8.verify.kernels import find_kernels

from ..small_models import Case, Weights, between, quantized, run
from .region_models import operators

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]

HALF: Weights = {"half": np.float32(0.5), "one": np.float32(1), "two": np.float32(2), "three": np.float32(3),
                 "six": np.float32(6), "zero": np.float32(0), "root": np.float32(np.sqrt(0.5)),
                 "cubic": np.float32(0.044715), "outer": np.float32(np.sqrt(2 / np.pi)),
                 "slope": (16, 1, 1), "shift": (1, 16, 1, 1)}  # fmt: skip
CHAINS = {
    "SiLU": "[s] s = Sigmoid(a) [t] b = Mul(a, s)",
    "SiLU, the sigmoid first": "[s] s = Sigmoid(a) [t] b = Mul(s, a)",
    "HardSwish": "[s] b = HardSwish(a)",
    "HardSwish by HardSigmoid": "[s] s = HardSigmoid<alpha = 0.16666667, beta = 0.5>(a) [t] b = Mul(a, s)",
    "HardSwish by Clip": "[p] p = Add(a, three) [c] c = Clip(p, zero, six) [t] t = Mul(a, c) [d] b = Div(t, six)",
    "GELU by Erf": "[d] d = Mul(a, root) [e] e = Erf(d) [p] p = Add(e, one) [t] t = Mul(a, p) [h] b = Mul(t, half)",
    "GELU by Tanh": "[q] q = Mul(a, a) [c] c = Mul(a, q) [s] s = Mul(c, cubic) [p] p = Add(a, s) [m] m = Mul(p, outer) "
    "[e] e = Tanh(m) [f] f = Add(one, e) [t] t = Mul(a, f) [h] b = Mul(t, half)",
    "Mish": "[s] s = Softplus(a) [e] e = Tanh(s) [t] b = Mul(a, e)",
    "Tanh": "[s] b = Tanh(a)",
    "Elu": "[s] b = Elu<alpha = 0.7>(a)",
    "PRelu": "[s] b = PRelu(a, slope)",
    "PRelu, one slope": "[s] b = PRelu(a, half)",
    "constants": "[s] s = Add(a, shift) [t] t = Mul(s, two) [u] u = Sub(one, t) [d] b = Div(u, six)",
    "powers": "[s] s = Pow(a, two) [p] p = Add(s, one) [q] q = Sqrt(p) [l] l = Log(q) [n] n = Neg(l) [e] b = Exp(n)",
    "a Clip that no convolution absorbs": "[n] n = Abs(a) [s] b = Clip(n, half, one)",
}


def of_regions(model: ir.Model) -> Case:
    return quantized(model, Config(placement="all", format="pyq8"))


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_between_convolutions_is_a_table(name: str) -> None:
    case = of_regions(between(CHAINS[name], HALF))
    plain, regions = rewrite(case.model, case.plan, "qoperator"), rewrite(case.model, case.plan, "pyq8")

    expected, found = run(plain, case.feeds)[0], run(regions, case.feeds)[0]

    assert operators(regions) == ["Region"]
    assert all(reason == TABLE for reason in case.plan.float_nodes.values())
    assert all(row.int8 for row in find_kernels(regions, case.plan.float_nodes).rows)
    assert sqnr(expected, found) > 50  # the chain in float32: a code may be half-way there
    assert sqnr(case.reference[0], found) > 30
    assert sqnr(case.reference[0], found) > sqnr(case.reference[0], expected) - 0.5


def test_operators_of_later_opsets_are_tables_too() -> None:
    for body, opset in (
        ("[s] b = Mish(a)", 18),
        ("[s] b = Gelu(a)", 20),
        ('[s] b = Gelu<approximate = "tanh">(a)', 20),
        ("[s] b = Swish(a)", 24),
    ):
        case = of_regions(between(body, opset=opset))
        regions = rewrite(case.model, case.plan, "pyq8")

        assert operators(regions) == ["Region"]
        assert sqnr(case.reference[0], run(regions, case.feeds)[0]) > 30


def test_a_table_outside_of_regions_is_looked_up_by_onnx() -> None:
    """Between two Resizes, which no region computes."""
    resize = "Resize(%s, , %s)"
    body = f"[r] r = {resize % ('a', 'two')} [s] s = PRelu(r, slope) [t] b = {resize % ('s', 'half')}"
    sizes: Weights = {"two": np.array([1, 1, 2, 2], np.float32), "half": np.array([1, 1, 0.5, 0.5], np.float32)}
    case = of_regions(between(body, {**sizes, "slope": (16, 1, 1)}))
    plain, regions = rewrite(case.model, case.plan, "qoperator"), rewrite(case.model, case.plan, "pyq8")

    assert operators(regions) == ["Region", "Resize", "Cast", "Add", "Gather", "Resize", "Region"]
    assert sqnr(run(plain, case.feeds)[0], run(regions, case.feeds)[0]) > 50


def test_what_the_user_excludes_is_in_no_table() -> None:
    model = between("[s] s = Tanh(a) [t] t = Exp(s) [u] b = Neg(t)")
    case = quantized(model, Config(placement="all", format="pyq8", exclude=("t",)))

    regions = rewrite(case.model, case.plan, "pyq8")

    assert {"Tanh", "Exp", "Neg"} < set(operators(regions))


def test_a_plan_made_for_qdq_gives_tables_where_it_leaves_a_chain_in_fp32() -> None:
    case = quantized(between("[s] b = Tanh(a)"), Config(placement="all"))

    assert operators(rewrite(case.model, case.plan, "pyq8")) == ["Region"]


def test_the_same_plan_gives_the_same_bytes() -> None:
    case = of_regions(between(CHAINS["GELU by Erf"], HALF))
    regions = rewrite(case.model, case.plan, "pyq8")
    again = rewrite(case.model, case.plan, "pyq8")

    assert ir.to_proto(regions).SerializeToString() == ir.to_proto(again).SerializeToString()
