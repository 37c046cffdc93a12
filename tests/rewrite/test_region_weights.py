"""A weight that several layers read is stored once, in whatever regions they are."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8 import kernels
from pyq8.rewrite import rewrite
from pyq8.runtime.sessions import model_session
from pyq8.types import INT7, Config

from ..small_models import Weights, parse, quantized
from .region_models import CONV

pytestmark = [pytest.mark.cpu, pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")]


@pytest.mark.parametrize("act", ["Relu", "Sin"])
def test_a_weight_that_many_layers_read_is_stored_once(act: str) -> None:
    """Behind a Relu they are in one region, behind a Sin, which no region computes, each is in its own."""
    steps = " ".join(f"[k{i}] u{i} = {CONV}(t{i}, w, b) [r{i}] t{i + 1} = {act}(u{i})" for i in range(6))
    text = f"g (float[1, 8, 5, 5] x) => (float[N, C, H, W] y) {{ t0 = {CONV}(x, w1, b1) {steps} y = Conv(t6, w) }}"
    weights: Weights = {"w1": (64, 8, 3, 3), "b1": (64,), "w": (64, 64, 3, 3), "b": (64,)}
    case = quantized(parse(text, weights), Config(placement="all", weight_type=INT7))  # ONNX Runtime is right anywhere
    model = rewrite(case.model, case.plan, "pyq8")
    others = {name: rewrite(case.model, case.plan, name) for name in ("qdq", "qoperator")}

    regions = sum(node.op_type == "Region" for node in model.graph)
    stored = {name: _bytes(each) for name, each in {**others, "pyq8": model}.items()}

    assert regions == (1 if act == "Relu" else 7)
    weight = 64 * 64 * 9
    assert weight < min(stored.values())
    assert max(stored.values()) < 2 * weight
    for feeds in case.feeds:
        ours, theirs = (model_session(m, threads=1).run(None, feeds)[0] for m in (model, others["qoperator"]))
        np.testing.assert_array_equal(ours, theirs)


def _bytes(model: ir.Model) -> int:
    return sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)


def test_regions_of_different_weights_have_blobs_of_their_own() -> None:
    steps = " ".join(f"[k{i}] u{i} = {CONV}(t{i}, v{i}) [r{i}] t{i + 1} = Sin(u{i})" for i in range(4))
    text = f"g (float[1, 64, 5, 5] x) => (float[N, C, H, W] t4) {{ t0 = {CONV}(x, v0) {steps} }}"
    case = quantized(parse(text, {f"v{i}": (64, 64, 1, 1) for i in range(4)}), Config(placement="all"))

    model = rewrite(case.model, case.plan, "pyq8")

    blobs = [node.inputs[0] for node in model.graph if node.op_type == "Region"]
    assert len(blobs) == 4  # the first two convolutions share one region, and their weight
    assert len(set(blobs)) == 4
