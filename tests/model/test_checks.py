"""Files that are no usable model: always a ModelError of one line that names the file."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from pyq8.errors import ModelError
from pyq8.model.file import load

TEXT = """<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1]>
g (float[N,3,8,8] x, bool c) => (float[N,4,6,6] y) {
    [conv] a = Conv(x, w)
    [if] y = If(c) <
        then_branch = t () => (float[N,4,6,6] t1) { t1 = Neg(a) },
        else_branch = e () => (float[N,4,6,6] e1) { e0 = Relu(a) e1 = Neg(e0) }
    >
}"""


def small(text: str = TEXT, weight: np.typing.NDArray[np.generic] | None = None) -> onnx.ModelProto:
    proto = onnx.parser.parse_model(text)
    array = np.ones((4, 3, 3, 3), np.float32) if weight is None else weight
    proto.graph.initializer.append(numpy_helper.from_array(array, "w"))
    return proto


def refusal(path: Path, *, quantized: bool = False) -> str:
    """The message with which a file is refused, without its path."""
    with pytest.raises(ModelError) as error:
        load(path, quantized=quantized)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def refused(tmp_path: Path, proto: onnx.ModelProto) -> str:
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return refusal(path)


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.onnx") == "no such file; give the path of an ONNX model"


def test_a_folder(tmp_path: Path) -> None:
    assert refusal(tmp_path) == "a folder; give the path of an ONNX model"


@pytest.mark.parametrize("suffix", ["onnx", "txt", "json", "textproto", "onnxtxt", "png"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"not a model, but text\n" * 20,
        b'{"graph": []}',
        TEXT.encode(),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100),
        b"PK\x03\x04" + bytes(50),
        bytes(64),
    ],
    ids=["empty", "line", "text", "json", "onnx text", "png", "zip", "zeros"],
)
def test_a_file_of_another_kind(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(content)
    assert "not an ONNX file" in refusal(path)


def test_a_file_that_is_cut_short_anywhere(tmp_path: Path) -> None:
    # given
    content = small().SerializeToString()
    path = tmp_path / "model.onnx"

    # when it ends at any byte before the last opset, then it is refused
    complete = len(content) - len(onnx.helper.make_opsetid("com.microsoft", 1).SerializeToString()) - 2
    for length in range(complete):
        path.write_bytes(content[:length])
        assert refusal(path)


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_file_never_ends_in_a_traceback(seed: int, tmp_path: Path) -> None:
    # given a model with a few bytes overwritten
    content = small().SerializeToString()
    path = tmp_path / "model.onnx"
    rng = random.Random(seed)
    outcomes = set()
    for _ in range(100):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)

        # when it is loaded, then it is refused properly, or the damage was to a weight or a name
        try:
            load(path)
            outcomes.add("loaded")
        except ModelError as error:
            assert str(error).startswith(f"{path}: ")
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert outcomes == {"loaded", "refused"}


def test_no_opset(tmp_path: Path) -> None:
    proto = small()
    del proto.opset_import[:]
    assert refused(tmp_path, proto).startswith("it declares no opset")


def test_an_initializer_is_missing(tmp_path: Path) -> None:
    proto = small()
    del proto.graph.initializer[:]
    assert refused(tmp_path, proto) == "node 'conv' (Conv) reads 'w', which nothing computes; export it again"


def test_a_refusal_is_all_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    # given a model with a value from nowhere, at which onnx_ir would log pages
    proto = small()
    del proto.graph.initializer[:]
    refused(tmp_path, proto)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_branch_reads_what_nothing_computes(tmp_path: Path) -> None:
    text = TEXT.replace("t1 = Neg(a)", "[neg] t1 = Neg(nothing)")
    assert refused(tmp_path, small(text)).startswith("node 'neg' (Neg) reads 'nothing', which nothing computes")


def test_a_node_reads_from_inside_a_branch(tmp_path: Path) -> None:
    text = TEXT.replace("[conv] a = Conv(x, w)", "a = Conv(x, w) [n] b = Neg(e0)")
    assert refused(tmp_path, small(text)).startswith("node 'n' (Neg) reads 'e0', which nothing computes")


def test_an_output_that_nothing_computes(tmp_path: Path) -> None:
    proto = small()
    proto.graph.output.append(onnx.helper.make_tensor_value_info("z", 1, None))
    assert refused(tmp_path, proto) == "nothing computes its output 'z'; export it again"


def test_a_value_that_is_computed_twice(tmp_path: Path) -> None:
    text = TEXT.replace("[conv] a = Conv(x, w)", "a = Conv(x, w) a = Neg(x)")
    assert refused(tmp_path, small(text)) == "'a' is computed twice; export it again"


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda node: node.input.pop(), id="too few"),
        pytest.param(lambda node: node.input.__setitem__(1, ""), id="left out"),
        pytest.param(lambda node: node.ClearField("input"), id="none"),
    ],
)
def test_a_node_that_lacks_an_input(edit: Callable[[onnx.NodeProto], None], tmp_path: Path) -> None:
    proto = small()
    edit(proto.graph.node[0])
    assert refused(tmp_path, proto) == "node 'conv' (Conv) lacks an input; export it again"


def test_an_attribute_without_a_type(tmp_path: Path) -> None:
    proto = small()
    proto.graph.node[0].attribute.add(name="group")
    assert "has an attribute without a type" in refused(tmp_path, proto)


def test_a_weight_with_too_few_values(tmp_path: Path) -> None:
    proto = small()
    proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]
    assert refused(tmp_path, proto).startswith("weight 'w' cannot be read (")


@pytest.mark.parametrize("dtype", [onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE])
@pytest.mark.parametrize("op", ["Conv(x, w)", "ConvTranspose(x, w)"])
def test_weights_of_another_type(dtype: int, op: str, tmp_path: Path) -> None:
    text = f"""<ir_version: 8, opset_import: ["": 22]>
    g (float[N,4,8,8] f) => (float[A,B,C,D] y) {{ x = Cast<to = {dtype}>(f) [conv] a = {op} y = Cast<to = 1>(a) }}"""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(onnx.helper.make_tensor("w", dtype, (4, 4, 3, 3), np.ones(144)))
    assert refused(tmp_path, proto) == (
        f"node 'conv' has {onnx.TensorProto.DataType.Name(dtype)} weights; export the model in FP32 "
        "(in PyTorch: model.float() before the export)"
    )


def test_weights_of_another_type_that_are_computed(tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["": 17]>
    g (double[N,3,8,8] x) => (double[A,B,C,D] y) { v = Neg(w) [conv] y = Conv(x, v) }"""
    proto = small(text, np.ones((4, 3, 3, 3)))
    proto = onnx.shape_inference.infer_shapes(proto)
    assert refused(tmp_path, proto).startswith("node 'conv' has DOUBLE weights")


QUANTIZED = {
    "before": "q = QuantizeLinear(x, s) d = DequantizeLinear(q, s) y = Conv(d, w)",
    "inside a branch": """y = If(c) <
        then_branch = t () => (float[A,B,C,D] t1) {
            q = QuantizeLinear(x, s) d = DequantizeLinear(q, s) t1 = Conv(d, w)
        },
        else_branch = e () => (float[A,B,C,D] e1) { e1 = Conv(x, w) }
    >""",
    "inside a function": "d = mine.fake(x, s) y = Conv(d, w)",
}


@pytest.mark.parametrize("where", QUANTIZED)
def test_a_model_that_is_already_quantized(where: str, tmp_path: Path) -> None:
    text = f"""<ir_version: 8, opset_import: ["": 17, "mine": 1]>
    g (float[N,3,8,8] x, bool c) => (float[A,B,C,D] y) {{ s = Constant<value = float {{0.1}}> () {QUANTIZED[where]} }}
    <domain: "mine", opset_import: ["": 17]>
    fake (i, s) => (o) {{ q = QuantizeLinear(i, s) o = DequantizeLinear(q, s) }}"""
    message = refused(tmp_path, small(text))
    assert message.startswith("already quantized (node ")
    assert message.endswith("; give the FP32 model")


def without_conv(body: str) -> onnx.ModelProto:
    return small(f"""<ir_version: 8, opset_import: ["": 17, "com.microsoft": 1, "com.microsoft.nchwc": 1]>
    g (float[N,3,8,8] x) => (float[A,B,C,D] y) {{ {body} }}""")


def test_a_model_without_convolutions(tmp_path: Path) -> None:
    assert refused(tmp_path, without_conv("y = Relu(x)")) == "no Conv in it; pyq8 quantizes convolutional networks"


@pytest.mark.parametrize("op", ["com.microsoft.FusedConv", "com.microsoft.nchwc.Conv"])
def test_a_model_that_onnxruntime_optimized(op: str, tmp_path: Path) -> None:
    assert refused(tmp_path, without_conv(f"[c] y = {op}(x, w)")) == (
        f"onnxruntime optimized it (node 'c' is {op}); give the original model, or one saved at ORT_ENABLE_BASIC"
    )


def test_blocked_convolutions_beside_others(tmp_path: Path) -> None:
    text = refused(tmp_path, without_conv("a = Conv(x, w) [c] y = com.microsoft.nchwc.Conv(a, w)"))
    assert "onnxruntime optimized it (node 'c' is com.microsoft.nchwc.Conv)" in text


def test_an_output_of_maps(tmp_path: Path) -> None:
    model = without_conv("y = Conv(x, w)")
    maps = onnx.helper.make_map_type_proto(onnx.TensorProto.INT64, onnx.helper.make_tensor_type_proto(1, []))
    model.graph.output[0].type.CopyFrom(onnx.helper.make_sequence_type_proto(maps))
    assert refused(tmp_path, model) == (
        "output 'y' is a sequence; give a model whose outputs are tensors (without ZipMap)"
    )


def test_an_input_that_is_a_sequence(tmp_path: Path) -> None:
    model = without_conv("y = Conv(x, w)")
    tensors = onnx.helper.make_sequence_type_proto(onnx.helper.make_tensor_type_proto(1, None))
    model.graph.input.append(onnx.helper.make_value_info("s", tensors))
    assert refused(tmp_path, model) == "input 's' is a sequence; give a model whose inputs are tensors"


def external(folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save(small(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


@pytest.mark.parametrize("quantized", [False, True])
def test_the_weights_file_is_missing(quantized: bool, tmp_path: Path) -> None:
    path = external(tmp_path)
    (tmp_path / "weights.bin").unlink()
    message = refusal(path, quantized=quantized)
    assert message == "its weights are in weights.bin, which is not beside it; copy both"


@pytest.mark.parametrize("length", [0, 100])
def test_the_weights_file_is_cut_short(length: int, tmp_path: Path) -> None:
    path = external(tmp_path)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:length])
    assert refusal(path) == "its weights file weights.bin is cut short; copy it again"


def test_only_the_last_weight_in_the_file_is_cut_short(tmp_path: Path) -> None:
    proto = small(TEXT.replace("Conv(x, w)", "Conv(x, w, b)"))
    proto.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "b"))
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert refusal(path) == "its weights file weights.bin is cut short; copy it again"


def test_the_weights_file_of_an_old_model_is_missing(tmp_path: Path) -> None:
    proto = small(TEXT.replace('"": 17', '"": 11'))
    path = tmp_path / "model.onnx"
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    (tmp_path / "weights.bin").unlink()
    assert refusal(path).startswith("its weights are in weights.bin")


@pytest.mark.parametrize("location", ["../weights.bin", "inner/../../weights.bin", "/etc/weights.bin"])
def test_the_weights_file_is_outside_the_folder(location: str, tmp_path: Path) -> None:
    # given a model that points out of its folder, where there is a file
    folder = tmp_path / "inner"
    folder.mkdir()
    path = external(folder)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    proto = onnx.load(path, load_external_data=False)
    next(e for e in proto.graph.initializer[0].external_data if e.key == "location").value = location
    path.write_bytes(proto.SerializeToString())

    # then it is not read
    assert refusal(path).endswith("weights.bin, outside its folder; export it again into one folder")


def test_a_sparse_weight(tmp_path: Path) -> None:
    proto = small()
    del proto.graph.initializer[:]
    sparse = proto.graph.sparse_initializer.add(dims=[4, 3, 3, 3])
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "w"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([5])))
    assert refused(tmp_path, proto) == "weight 'w' is stored sparsely; export it as a dense tensor"
