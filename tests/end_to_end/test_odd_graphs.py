"""Valid models of unusual form: each is quantized in every format, and computes what FP32 does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper
from tests.cli.run import run
from tests.small_models import Weights

import pyq8
from pyq8.errors import ModelError
from pyq8.metrics.sqnr import sqnr

FORMATS = ("qdq", "qoperator", "pyq8")
IMAGES = [np.random.default_rng(i).standard_normal((1, 3, 12, 12)).astype(np.float32) for i in range(6)]
WEIGHTS: Weights = {
    "w1": (16, 3, 3, 3), "w2": (16, 16, 3, 3), "w3": (16, 16, 3, 3), "k": (16, 1), "big": np.float32(1e9),
    "c": np.float32(0.3), "on": np.array(True), "half": np.float32(0.5), "some": np.float32(0.01),
    "map": np.array([1, 16, 12, 12]), "names": np.array([b"cat", b"dog"] * 8, object),
}  # fmt: skip
START = "a = Conv<pads = [1, 1, 1, 1]>(x, w1) r = Relu(a)"
END = "y = Conv<pads = [1, 1, 1, 1]>(b, w2)"
CONDITION = "s = ReduceSum<keepdims = 0>(x) c1 = Less(s, big)"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """The file of a model with these nodes."""

    def make(body: str, outputs: str = "float[N,C,H,W] y", opset: int = 17, functions: str = "") -> Path:
        text = f'<ir_version: 9, opset_import: ["": {opset}, "com.microsoft": 1, "f": 1]>'
        proto = onnx.parser.parse_model(f"{text} g (float[1,3,12,12] x) => ({outputs}) {{ {body} }} {functions}")
        read = {name for node in every_node(proto.graph) for name in node.input} | {v.name for v in proto.graph.output}
        rng = np.random.default_rng(1)
        for name, given in WEIGHTS.items():
            if name in read:
                if isinstance(given, tuple):
                    given = (rng.standard_normal(given) / np.sqrt(np.prod(given[1:]))).astype(np.float32)
                proto.graph.initializer.append(numpy_helper.from_array(np.asarray(given), name))
        path = tmp_path / "model.onnx"
        onnx.save(proto, path)
        return path

    return make


def every_node(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    inner = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    return [*graph.node, *(node for body in inner for node in every_node(body))]


def quantized(path: Path, form: str) -> tuple[pyq8.Result, list[object], list[object]]:
    """The result, and what FP32 and the written file return for an image."""
    result = pyq8.quantize(path, IMAGES, format=form)
    file = path.with_name("quantized.onnx")
    result.save(file)
    before, after = (pyq8.session(p, threads=1).run(None, {"x": IMAGES[0]}) for p in (path, file))
    return result, before, after


BODIES = {
    "a value that is local to a branch": f"""{START} {CONDITION} b = If (c1) <
        then_branch = t () => (float[N,C,H,W] t1) {{ t1 = Conv<pads = [1, 1, 1, 1]>(r, w2) }},
        else_branch = e () => (float[N,C,H,W] e1) {{ e0 = Relu(r) e1 = Conv<pads = [1, 1, 1, 1]>(e0, w3) }}> {END}""",
    "what only moves values before a branch": f"""{START} {CONDITION} p = MaxPool<kernel_shape = [1, 1]>(r)
        b = If (c1) <
        then_branch = t () => (float[N,C,H,W] t1) {{ t1 = Conv<pads = [1, 1, 1, 1]>(p, w2) }},
        else_branch = e () => (float[N,C,H,W] e1) {{ e1 = Relu(p) }}> n = Neg(b) y = Abs(n)""",
    "the same, and what changes nothing": f"""{START} {CONDITION} p = MaxPool<kernel_shape = [1, 1]>(r)
        q = Expand(p, map) b = If (c1) <
        then_branch = t () => (float[N,C,H,W] t1) {{ t1 = Conv<pads = [1, 1, 1, 1]>(q, w2) }},
        else_branch = e () => (float[N,C,H,W] e1) {{ e1 = Relu(q) }}> n = Neg(b) y = Abs(n)""",
    "a scalar C": f"""{START} p = GlobalAveragePool(r) f = Flatten(p) y = Gemm(f, k, c)""",
    "a node without inputs": f"""{START}
        z = RandomNormal<shape = [1, 16, 12, 12], seed = 3.0>() m = Mul(z, some) b = Add(r, m) {END}""",
    "a generated node's name": f"""a = Conv<pads = [1, 1, 1, 1]>(x, w1) [a_QuantizeLinear] r = Relu(a)
        [y_QuantizeLinear] b = Conv<pads = [1, 1, 1, 1]>(r, w3) {END}""",
    "a generated value's name": """y_padded = Conv<pads = [1, 1, 1, 1]>(x, w1) b = Relu(y_padded)
        [n] y_before_Relu = Conv<pads = [1, 1, 1, 1]>(b, w3)
        y = com.microsoft.FusedConv<activation = "Relu", pads = [1, 1, 1, 1]>(y_before_Relu, w2)""",
    "noise": f"{START} z = RandomNormalLike(r) m = Mul(z, some) b = Add(r, m) {END}",
    "a sequence between": f"{START} q = SplitToSequence<axis = 1>(r) b = ConcatFromSequence<axis = 1>(q) {END}",
    "a fused convolution": f"""{START}
        b = com.microsoft.FusedConv<activation = "Relu", pads = [1, 1, 1, 1]>(r, w3) {END}""",
    "dropout in training": f"{START} b = Dropout(r, half, on) {END}",
    "dropout in training, its mask read": f"{START} d, m = Dropout(r, c, on) f = Cast<to = 1>(m) b = Mul(d, f) {END}",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*Dropout in training mode")
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_is_quantized(body: str, form: str, write: Write) -> None:
    outputs = "float[N,C] y" if "Gemm" in body else "float[N,C,H,W] y"

    result, (before,), (after,) = quantized(write(body, outputs), form)

    assert result.report.kernels.int8_convolutions > 0
    assert result.report.accuracy is not None
    assert (row := result.report.accuracy.find("sqnr")) is not None and row.value > 15
    if "mask" not in body and "d, m" not in body:  # there FP32 draws
        assert sqnr(np.asarray(before), np.asarray(after)) > 15


@pytest.mark.parametrize("form", FORMATS)
def test_a_weight_that_is_an_output_keeps_its_values(form: str, write: Write) -> None:
    path = write(f"{START} b = Relu(r) {END}", "float[N,C,H,W] y, float[16,16,3,3] w2")
    _, before, after = quantized(path, form)
    assert np.array_equal(np.asarray(before[1]), np.asarray(after[1]))
    assert sqnr(np.asarray(before[0]), np.asarray(after[0])) > 20


@pytest.mark.parametrize(
    ("tail", "output"),
    [
        ("q = SplitToSequence<axis = 1>(y)", "seq(float) q"),
        (
            "g = GlobalAveragePool(y) f = Flatten(g) i = ArgMax<axis = 1, keepdims = 0>(f) q = Gather(names, i)",
            "string[N] q",
        ),
    ],
    ids=["sequence", "strings"],
)  # fmt: skip
def test_outputs_that_are_no_tensors_of_numbers(tail: str, output: str, tmp_path: Path, write: Write) -> None:
    np.save(tmp_path / "x.npy", np.concatenate([*IMAGES, *IMAGES]))  # fewer are too few for a verdict
    data, out = str(tmp_path / "x.npy"), str(tmp_path / "q.onnx")
    for outputs in (output, f"float[N,C,H,W] y, {output}"):
        path = str(write(f"{START} b = Relu(r) {END} {tail}", outputs))
        code, _, error = run("quantize", path, "--calib", data, "-o", out)
        assert (code, error) == (0, "")
        assert run("inspect", out)[0] == 0
        code, text, error = run("check", path, out, "--data", data, "--metric", "sqnr", "--min", "15")
        if outputs == "string[N] q":
            assert code == 3 and "no output of numbers" in error and error.count("\n") == 1
        else:
            assert code == 0, text + error


def test_dropout_in_training_mode_is_told(write: Write) -> None:
    path = write(f"{START} [drop] b = Dropout(r, half, on) {END}")
    with pytest.warns(UserWarning, match=r"1 Dropout in training mode \('drop' first\) are left out"):
        result = pyq8.quantize(path, IMAGES)
    assert not {"Dropout"} & {node.op_type for node in result.model.graph}


def test_a_local_function_of_another_opset(write: Write) -> None:
    function = '<domain: "f", opset_import: ["": 13]> Act (i) => (o) { o = Relu(i) }'
    path = write(f"a = Conv<pads = [1, 1, 1, 1]>(x, w1) b = f.Act(a) {END}", functions=function)
    result, (before,), (after,) = quantized(path, "qdq")
    assert result.report.kernels.int8_convolutions == 2
    assert sqnr(np.asarray(before), np.asarray(after)) > 20


@pytest.mark.parametrize("form", FORMATS)
def test_a_thousand_nodes_that_move_values(form: str, write: Write) -> None:
    moves = "".join(f"m{i} = Transpose<perm = [0, 1, 3, 2]>({f'm{i - 1}' if i else 'r'}) " for i in range(1200))
    _, (before,), (after,) = quantized(write(f"{START} {moves} b = Relu(m1199) {END}"), form)
    assert sqnr(np.asarray(before), np.asarray(after)) > 20


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("[c] y = ConvTranspose<strides = [2, 1]>(x, wt)",
         "'c' (ConvTranspose) stays FP32 (ONNX Runtime has no INT8 ConvTranspose)"),
        ("m = ReduceMean<keepdims = 0>(x) w = Mul(w1, m) [c] y = Conv(x, w)", "(its weight is not a constant)"),
    ],
)  # fmt: skip
def test_why_nothing_can_be_int8(body: str, why: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WEIGHTS, "wt", (3, 8, 4, 4))
    with pytest.raises(ModelError) as error:
        pyq8.quantize(write(body), IMAGES)
    assert why in str(error.value) and "exclude" not in str(error.value)


def test_all_convolutions_in_bodies(write: Write) -> None:
    path = write(f"""{CONDITION} y = If (c1) <
        then_branch = t () => (float[N,C,H,W] t1) {{ t1 = Conv(x, w1) }},
        else_branch = e () => (float[N,C,H,W] e1) {{ e0 = Neg(x) e1 = Conv(e0, w1) }}>""")
    with pytest.raises(ModelError, match="its convolutions are all in bodies of If, Loop or Scan"):
        pyq8.quantize(path, IMAGES)
