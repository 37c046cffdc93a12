"""Models of older opsets, as exporters wrote them: the loaded model computes what the file does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx.version_converter
import pytest
from onnx import numpy_helper

from pyq8.errors import ModelError
from pyq8.model.file import load, weight_bytes
from pyq8.passes import prepare
from pyq8.runtime.sessions import session
from pyq8.types import Array
from tests.passes.equivalence import assert_same, run

W = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
FEEDS = {
    "x": np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32),
    "c": np.array(True),
    "n": np.array(3),
}
SCALES = "s = Constant<value = float[4] {%s}> ()"


def write(path: Path, body: str, opset: int, outputs: str = "y") -> onnx.ModelProto:
    """A file whose `a` is a convolution of `x`, of every shape."""
    declared = ", ".join(f"float {name}" for name in outputs.split())
    text = f"""<ir_version: 6, opset_import: ["": {opset}, "com.microsoft": 1], producer_name: "exporter">
    g (float[N,3,8,8] x, bool c, int64 n) => ({declared}) {{ a = Conv(x, w) {body} }}"""
    model = onnx.parser.parse_model(text)
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    model.graph.initializer.append(numpy_helper.from_array(W, "w"))
    onnx.save(model, path)
    return model


def outputs_of(path: Path) -> dict[str, Array]:
    original = session(path, optimize="off", threads=1)
    names = [output.name for output in original.get_outputs()]
    return dict(zip(names, original.run(names, FEEDS), strict=True))


CASES = [
    ("squeeze", 11, "p = GlobalAveragePool(a) y = Squeeze<axes = [2, 3]>(p)"),
    ("unsqueeze", 11, "y = Unsqueeze<axes = [0, 2]>(a)"),
    ("softmax over the rest", 11, "y = Softmax<axis = 1>(a)"),
    ("softmax over the last", 11, "y = Softmax<axis = -1>(a)"),
    ("softmax by default", 9, "y = Softmax(a)"),
    ("log softmax", 11, "y = LogSoftmax<axis = 2>(a)"),
    ("softmax twice", 11, "b = Softmax<axis = 1>(a) y = Softmax<axis = 2>(b)"),
    ("clip by attributes", 10, "y = Clip<min = 0.0, max = 6.0>(a)"),
    ("clip from below", 7, "y = Clip<min = 0.0>(a)"),
    ("clip by inputs", 11, "lo = Constant<value = float {-0.5}> () y = Clip(a, lo)"),
    ("pad by attribute", 10, "y = Pad<pads = [0, 0, 1, 2, 0, 0, 3, 0], value = 0.5>(a)"),
    ("pad reflecting", 7, 'y = Pad<mode = "reflect", pads = [0, 0, 1, 1, 0, 0, 1, 1]>(a)'),
    ("pad by input", 11, "p = Constant<value = int64[8] {0, 0, 1, 1, 0, 0, 1, 1}> () y = Pad(a, p)"),
    ("dropout", 11, "b = Dropout<ratio = 0.3>(a) y = Relu(b)"),
    ("dropout", 7, "b, mask = Dropout<ratio = 0.3>(a) y = Relu(b)"),
    (
        "batch normalization",
        8,
        "s = Constant<value = float[4] {1, 2, 3, 4}> () y = BatchNormalization<epsilon = 0.01>(a, s, s, s, s)",
    ),
    ("upsample, nearest", 9, SCALES % "1, 1, 2, 2" + 'y = Upsample<mode = "nearest">(a, s)'),
    ("upsample, nearest, not whole", 9, SCALES % "1, 1, 1.5, 2.7" + 'y = Upsample<mode = "nearest">(a, s)'),
    ("upsample, linear", 9, SCALES % "1, 1, 2, 2" + 'y = Upsample<mode = "linear">(a, s)'),
    ("upsample by attribute", 7, 'y = Upsample<mode = "linear", scales = [1.0, 1.0, 2.0, 3.0]>(a)'),
    ("resize, linear", 10, SCALES % "1, 1, 2, 3" + 'y = Resize<mode = "linear">(a, s)'),
    ("resize, linear, smaller", 10, SCALES % "1, 1, 0.6, 0.5" + 'y = Resize<mode = "linear">(a, s)'),
    ("resize, nearest", 10, SCALES % "1, 1, 3, 1.4" + 'y = Resize<mode = "nearest">(a, s)'),
    ("resize, nearest, smaller", 10, SCALES % "1, 1, 0.6, 0.5" + "y = Resize(a, s)"),
    (
        "resize with coordinates",
        11,
        "r = Constant<value = float[0] {}> ()"
        + SCALES % "1, 1, 2, 3"
        + 'y = Resize<mode = "linear", coordinate_transformation_mode = "align_corners">(a, r, s)',
    ),
    ("reduce sum", 11, "y = ReduceSum<axes = [2, 3], keepdims = 0>(a)"),
    ("reduce mean", 11, "y = ReduceMean<axes = [2, 3], keepdims = 0>(a)"),
    ("split", 11, "b, d = Split<axis = 1, split = [1, 3]>(a) y = Concat<axis = 1>(d, b)"),
    ("slice by attributes", 9, "y = Slice<axes = [2, 3], starts = [0, 1], ends = [-1, 4]>(a)"),
    ("top k", 9, "y, i = TopK<k = 2>(a)"),
    ("gemm", 9, "f = Flatten(a) t = Transpose(f) b = Constant<value = float {2}> () y = Gemm(f, t, b)"),
    ("average pool", 9, "y = AveragePool<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(a)"),
    ("max pool", 7, "y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)"),
    ("prelu", 7, "b = Constant<value = float[4, 1, 1] {1, 2, 3, 4}> () y = PRelu(a, b)"),
    ("cast", 8, "d = Cast<to = 11>(a) y = Cast<to = 1>(d)"),
    ("local response", 7, "y = LRN<size = 3>(a)"),
    ("depth to space", 9, "y = DepthToSpace<blocksize = 2>(a)"),
    ("sum", 7, "y = Sum(a, a)"),
    ("reshape", 7, "s = Constant<value = int64[2] {0, -1}> () y = Reshape(a, s)"),
    ("another domain", 11, "y = com.microsoft.Gelu(a)"),
    (
        "both branches",
        11,
        """p = GlobalAveragePool(a) y = If(c) <
            then_branch = t () => (float[N,4,1] t1) { t1 = Squeeze<axes = [3]>(p) },
            else_branch = e () => (float[N,4,1] e1) { e0 = Softmax<axis = 1>(p) e1 = Squeeze<axes = [3]>(e0) }
        >""",
    ),
    (
        "a loop's body",
        11,
        """p = GlobalAveragePool(a) q = Squeeze<axes = [3]>(p) yes = Constant<value = bool {1}> ()
        y = Loop(n, yes, q) <body = l (int64 i, bool d, float[N,4,1] v) => (bool e, float[N,4,1] z) {
            e = Identity(d) u = Unsqueeze<axes = [3]>(v) t = Softmax<axis = 1>(u) z = Squeeze<axes = [3]>(t)
        }>""",
    ),
]


@pytest.mark.parametrize(("name", "opset", "body"), CASES, ids=[f"{name} {opset}" for name, opset, _ in CASES])
def test_computes_what_the_file_does(name: str, opset: int, body: str, tmp_path: Path) -> None:  # noqa: ARG001
    # given
    path = tmp_path / "old.onnx"
    write(path, body, opset)

    # when
    model = load(path)

    # then, loaded and prepared
    assert model.opset_imports[""] == 13
    expected = outputs_of(path)
    assert_same(run(model, FEEDS), expected)
    assert_same(run(prepare(model).model, FEEDS), expected)


def test_names_of_nodes_survive(tmp_path: Path) -> None:
    # given a Softmax and a Squeeze, which the converter replaces by several nodes
    path = tmp_path / "old.onnx"
    write(path, "[soft] b = Softmax<axis = 1>(a) [drop] y = Squeeze<axes = [0]>(b)", 11)

    # when
    model = load(path)

    # then they are still found by name, and the new ones have names of their own
    names = {node.name: node.op_type for node in model.graph}
    assert names["soft"] == "Softmax"
    assert names["drop"] == "Squeeze"
    assert len(names) == len(list(model.graph))


def test_what_the_file_says_of_itself_survives(tmp_path: Path) -> None:
    path = tmp_path / "old.onnx"
    proto = write(path, "y = Clip<min = 0.0>(a)", 10)
    proto.doc_string, proto.producer_version, proto.domain, proto.model_version = "doc", "1.2", "org", 3
    proto.graph.doc_string = "graph doc"
    onnx.helper.set_model_props(proto, {"author": "me"})
    onnx.save(proto, path)

    model = load(path)

    assert (model.doc_string, model.producer_name, model.producer_version) == ("doc", "exporter", "1.2")
    assert (model.domain, model.model_version, model.graph.doc_string) == ("org", 3, "graph doc")
    assert model.metadata_props == {"author": "me"}
    assert model.opset_imports == {"": 13, "com.microsoft": 1}


def test_weights_in_another_file(tmp_path: Path) -> None:
    # given an old model whose weights lie beside it
    path = tmp_path / "old.onnx"
    proto = write(path, "y = Squeeze<axes = [1]>(a)", 11)
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(W[:1], "w"))
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)

    # when, then
    model = load(path)
    assert_same(run(model, FEEDS), outputs_of(path))
    assert [value.name for value in model.graph.inputs] == ["x", "c", "n"]


def test_the_converter_sees_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given that it takes at most 2 GiB
    path = tmp_path / "old.onnx"
    proto = write(path, "y = Squeeze<axes = [0]>(a)", 11)
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.tile(W, (64, 1, 1, 1)), "w"))
    onnx.save(proto, path)
    convert = onnx.version_converter.convert_version
    sizes = []

    def spy(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
        sizes.append(model.ByteSize())
        return convert(model, version)

    monkeypatch.setattr(onnx.version_converter, "convert_version", spy)

    # when
    model = load(path)

    # then
    assert max(sizes) < 1000
    assert weight_bytes(model) > 64 * W.nbytes


def test_a_weight_that_is_declared_an_input_too(tmp_path: Path) -> None:
    # given a model of the first IR versions, where every initializer is an input
    path = tmp_path / "old.onnx"
    proto = write(path, "y = Clip<max = 1.0>(a)", 8)
    proto.ir_version = 3
    proto.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, W.shape))
    del proto.opset_import[1]
    onnx.save(proto, path)

    # when
    model = load(path)

    # then
    assert [value.name for value in model.graph.inputs] == ["x", "c", "n"]
    assert_same(run(model, FEEDS), outputs_of(path))


def test_functions(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 11, "mine": 1]>
    g (float[N,3,8,8] x, bool c, int64 n) => (float[N,4] y) { a = Conv(x, w) y = mine.head(a) }
    <domain: "mine", opset_import: ["": 11]>
    head (i) => (o) { p = GlobalAveragePool(i) o = Squeeze<axes = [2, 3]>(p) }"""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(numpy_helper.from_array(W, "w"))
    path = tmp_path / "old.onnx"
    onnx.save(proto, path)
    model = load(path)
    assert not model.functions
    assert_same(run(model, FEEDS), outputs_of(path))


@pytest.mark.parametrize(
    ("opset", "body", "reason"),
    [
        (11, "[n] y = Hardmax<axis = 1>(a)", "node 'n' is a Hardmax"),
        (10, "s = Constant<value = float[4] {1, 1, 2, 0.5}> () [n] y = Resize(a, s)", "node 'n' enlarges one axis"),
        (6, "b = Constant<value = float[4] {1, 2, 3, 4}> () y = Add<broadcast = 1, axis = 1>(a, b)", "a param"),
        (8, "s = Constant<value = float[4] {1, 2, 3, 4}> () y = BatchNormalization<spatial = 0>(a, s, s, s, s)", ""),
    ],
)
def test_refuses_what_has_no_equal(opset: int, body: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "old.onnx"
    write(path, body, opset)
    with pytest.raises(ModelError) as error:
        load(path)
    text = str(error.value)
    assert text.startswith(f"{path}: opset {opset} could not be raised to 13 (")
    assert text.endswith("; export it again with opset 13 or newer")
    assert reason in text
    assert "\n" not in text
