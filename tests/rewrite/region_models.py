"""Models of regions beside the QOperator models that they were made from."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from pyq8.rewrite import rewrite
from pyq8.runtime.sessions import model_session
from pyq8.types import Config, Feeds

from ..small_models import WEIGHTS, Weights, parse, quantized

CONV = "Conv<pads = [1, 1, 1, 1]>"
HEAD = "[conv1] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)"
FC: Weights = {"fc": (10, 16), "fcb": (10,), "square": (16, 16), "image": (10, 16 * 36), "flat": np.array([0, -1])}
POOL = "[p] p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)"


def compare(model: ir.Model, feeds: list[Feeds] | None = None) -> ir.Model:
    """Quantize as both; the model of regions, whose outputs are those of the other."""
    case = quantized(model, Config(placement="all"), feeds)
    plain, regions = rewrite(case.model, case.plan, "qoperator"), rewrite(case.model, case.plan, "pyq8")
    check_same(plain, regions, case.feeds)
    return regions


def check_same(plain: ir.Model, regions: ir.Model, feeds: Sequence[Feeds]) -> None:
    sessions = [model_session(m, spin=False, threads=1) for m in (plain, regions)]
    for feed in feeds:
        for expected, found in zip(*(s.run(None, feed) for s in sessions), strict=True):
            np.testing.assert_array_equal(found, expected, strict=True)


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def graph(body: str, weights: Weights, outputs: str = "float[N, 16, I, J] y", size: str = "12, 12") -> ir.Model:
    words = set(re.findall(r"\w+", body))
    used = {k: v for k, v in {**WEIGHTS, **weights}.items() if k in words}
    return parse(f"g (float[N, 8, {size}] x) => ({outputs}) {{ {body} }}", used)


def images(*shapes: tuple[int, ...]) -> list[Feeds]:
    rng = np.random.default_rng(3)
    return [{"x": (rng.standard_normal(shape) + 0.3).astype(np.float32)} for shape in shapes]
