"""Small models written as ONNX text, quantized in both formats and run: what the tests of plan and rewrite share."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
from onnx import numpy_helper

from pyq8.calibration.calibrate import calibrate
from pyq8.metrics.sqnr import sqnr
from pyq8.model.file import load
from pyq8.model.shapes import infer_shapes
from pyq8.plan.make import make_plan
from pyq8.rewrite import rewrite
from pyq8.runtime.sessions import model_session
from pyq8.stats import Calibration
from pyq8.types import PAIRED, Array, Config, Feeds, Plan
from pyq8.verify.kernels import KernelReport, KernelRow, find_kernels

FORMATS = ("qdq", "qoperator")
OLDEST, NEWEST = 13, 26
"""The first opset that pyq8 quantizes, and the last that the installed onnx and onnxruntime both know."""

Weights = Mapping[str, "tuple[int, ...] | Array"]
WEIGHTS: Weights = {"w1": (16, 8, 3, 3), "b1": (16,), "w2": (16, 16, 3, 3), "b2": (16,)}


def parse(text: str, weights: Weights, opset: int = 17, ir_version: int = 9) -> ir.Model:
    """A loaded model with shapes; weights given by their shape are random, the others are as given."""
    opsets = f'"": {opset}, "com.microsoft": 1' if "com.microsoft" in text else f'"": {opset}'
    proto = onnx.parser.parse_model(f"<ir_version: {ir_version}, opset_import: [{opsets}]> {text}")
    rng = np.random.default_rng(1)
    for name, given in weights.items():
        if isinstance(given, tuple):
            given = (rng.standard_normal(given) / np.sqrt(math.prod(given[1:]))).astype(np.float32)
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(given), name))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(proto, path)
        model = load(path)
    infer_shapes(model)
    return model


def between(body: str, weights: Weights | None = None, opset: int = 17, shape: str = "1, 8, 12, 12") -> ir.Model:
    """`body` computes `b` from `a`, which a convolution writes; another convolution reads `b`."""
    text = f"""g (float[{shape}] x) => (float[N, C, H, W] y) {{
        [conv1] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)
        {body}
        [conv2] y = Conv<pads = [1, 1, 1, 1]>(b, w2, b2)
    }}"""
    return parse(text, {**WEIGHTS, **(weights or {})}, opset)


def random_feeds(model: ir.Model, count: int = 8) -> list[Feeds]:
    """Images that are not centred on zero; dimensions without a size are 1."""
    rng = np.random.default_rng(2)
    feeds = []
    for _ in range(count):
        image = {}
        for value in model.graph.inputs:
            assert value.shape is not None and value.name and value.dtype is not None
            dims = [d if isinstance(d, int) else 1 for d in value.shape]
            image[value.name] = (rng.standard_normal(dims) + 0.3).astype(value.dtype.numpy())
        feeds.append(image)
    return feeds


@dataclass(frozen=True)
class Case:
    """A model, its plan, and what its quantized forms do."""

    model: ir.Model
    calibration: Calibration
    plan: Plan
    feeds: list[Feeds]

    @cached_property
    def quantized(self) -> dict[str, ir.Model]:
        return {name: rewrite(self.model, self.plan, name) for name in FORMATS}

    @cached_property
    def reference(self) -> list[Array]:
        return run(self.model, self.feeds)

    @cached_property
    def outputs(self) -> dict[str, list[Array]]:
        return {name: run(model, self.feeds) for name, model in self.quantized.items()}

    def kernels(self, name: str) -> KernelReport:
        return find_kernels(self.quantized[name], self.plan.float_nodes)

    def row(self, name: str, node: str) -> KernelRow:
        (row,) = [r for r in self.kernels(name).rows if r.node == node]
        return row


ANYWHERE = Config(weight_type=PAIRED)
"""Weights that ONNX Runtime's fast kernels sum exactly on every CPU."""


def quantized(model: ir.Model, config: Config | None = None, feeds: list[Feeds] | None = None) -> Case:
    """Calibrate on random images and plan."""
    config = config or Config()
    feeds = feeds if feeds is not None else random_feeds(model)
    calibration = calibrate(model, feeds, config)
    return Case(model, calibration, make_plan(model, calibration, config), feeds)


def run(model: ir.Model, feeds: Sequence[Feeds]) -> list[Array]:
    """Every output of all images, stacked."""
    session = model_session(model, spin=False, threads=1)
    return [np.stack(arrays) for arrays in zip(*(session.run(None, f) for f in feeds), strict=True)]


def executed(model: ir.Model) -> Counter[str]:
    """Operator -> how many of them ONNX Runtime really runs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "executed.onnx"
        model_session(model, optimized_path=path, spin=False, threads=1)
        return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)


def check_valid(model: ir.Model) -> None:
    """The checker and strict shape inference accept it."""
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    onnx.shape_inference.infer_shapes(ir.to_proto(model), check_type=True, strict_mode=True, data_prop=True)


def check_case(case: Case, kernels: Mapping[str, str], q: int = 1, dq: int = 1, minimum: float = 30.0) -> None:
    """Both formats are valid, agree bit for bit, are close to FP32, and run the INT8 kernels that they should.

    Args:
        case: what to check.
        kernels: node -> the operator that runs it in INT8; "" where it is computed by another or costs nothing.
        q: how many QuantizeLinear run; one more than the input's for every FP32 island.
        dq: how many DequantizeLinear run.
        minimum: SQNR against FP32, dB.
    """
    for reference, qdq, qoperator in zip(case.reference, *(case.outputs[f] for f in FORMATS), strict=True):
        np.testing.assert_array_equal(qdq, qoperator)
        assert sqnr(reference, qdq) >= minimum
    for name, model in case.quantized.items():
        check_valid(model)
        rows = {r.node: r for r in case.kernels(name).rows}
        for node, kernel in kernels.items():
            assert rows[node].kernel.rpartition(".")[2] == kernel
            assert rows[node].int8
        assert boundaries(model) == (q, dq)


def check_float(case: Case, node: str, reason: str, minimum: float = 30.0) -> None:
    """One node between two INT8 convolutions runs in FP32, in both formats, and the reason is told."""
    assert reason in case.plan.float_nodes[node]
    check_case(case, {"conv1": "QLinearConv", "conv2": "QLinearConv"}, q=2, dq=2, minimum=minimum)
    for name in FORMATS:
        row = case.row(name, node)
        assert (row.int8, row.reason) == (False, case.plan.float_nodes[node])


def boundaries(model: ir.Model) -> tuple[int, int]:
    """How many QuantizeLinear and DequantizeLinear are left in the graph that runs."""
    count = executed(model)
    return count["QuantizeLinear"], count["DequantizeLinear"]
