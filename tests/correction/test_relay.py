"""Relay: what a pass sees is what the whole quantized model computes, and no pass computes what is final again."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8 import affine
from pyq8.correction.relay import Relay
from pyq8.errors import OutputError
from pyq8.model.parts import outputs_only
from pyq8.rewrite import rewrite
from pyq8.types import Plan

from ..small_models import Case, Weights, between, quantized, run

BODIES: dict[str, tuple[str, Weights]] = {
    "chain": ("c = Relu(a) [one] d = Conv<pads = [1, 1, 1, 1]>(c, w) b = Relu(d)", {"w": (16, 16, 3, 3)}),
    "shortcut": (
        "c = Relu(a) [one] d = Conv<pads = [1, 1, 1, 1]>(c, w) e = Add(d, c) b = Relu(e)",
        {"w": (16, 16, 3, 3)},
    ),
    "pool": ("c = Relu(a) [one] d = Conv(c, w) b = MaxPool<kernel_shape = [2, 2]>(d)", {"w": (16, 16, 3, 3)}),
    "fp32": ("c = Relu(a) s = Softplus(c) [one] d = Conv(s, w) e = Softplus(d) b = Mul(e, s)", {"w": (16, 16, 1, 1)}),
}


def layers(case: Case) -> list[ir.Node]:
    return [node for node in case.model.graph if node.op_type == "Conv"]


@pytest.mark.parametrize(("body", "weights"), BODIES.values(), ids=BODIES)
def test_a_pass_sees_what_the_whole_model_computes(body: str, weights: Weights) -> None:
    case = quantized(between(body, weights))
    parts: list[set[str]] = []

    def carry_out(model: ir.Model, plan: Plan) -> ir.Model:
        parts.append({node.name or "" for node in model.graph})
        return rewrite(model, plan)

    left = layers(case)
    with Relay(case.model, case.feeds, carry_out) as relay:
        while left:
            source = left[0].inputs[0]
            assert source is not None and source.name
            seen = list(relay.run(case.plan, [source.name], left, lambda number, arrays: (number, arrays)))
            assert [number for number, _ in seen] == list(range(len(case.feeds)))
            if not source.is_graph_input():
                expected = run(rewrite(outputs_only(case.model, [source.name]), case.plan), case.feeds)[0]
                qparams = case.plan.qparams[source.name]  # a code stands for it, whoever computes it
                found = np.stack([arrays[source.name] for _, arrays in seen])
                np.testing.assert_array_equal(found, affine.quantize(expected, qparams))
            left = left[1:]

    assert sum(len(part) for part in parts) == len(set[str]().union(*parts))


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    case = quantized(between("b = Relu(a)"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match=r"cannot hold the images \(No space left on device\); set TMPDIR"):
        Relay(case.model, case.feeds, rewrite).__enter__()
