"""session.py: the options, the errors, and models of every kind and place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx_ir
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from pyq8 import cpu
from pyq8.errors import ModelError, OutputError
from pyq8.runtime.sessions import Optimize, model_session, session
from pyq8.types import Array

pytestmark = pytest.mark.cpu

MODULE = sys.modules["pyq8.runtime.sessions"]  # pyq8.runtime.sessions is the public function of that name
CONV = """
<ir_version: 8, opset_import: ["": 17]>
g (uint8[1, 16, 6, 6] x) => (uint8[1, 16, 6, 6] y) {
    y = QLinearConv (x, s, z, w, ws, wz, s, z)
}
"""
RELU = """
<ir_version: 8, opset_import: ["": 17]>
g (float[N, 4] x) => (float[N, 4] y) { a = Add (x, w)  y = Relu (a) }
"""


QDQ = """
<ir_version: 9, opset_import: ["": 19]>
g (uint8[1, 16, 6, 6] x) => (uint8[1, 16, 6, 6] q) {
    d = DequantizeLinear (x, s, z)
    v = DequantizeLinear (w, ws, wz)
    c = Conv (d, v)
    q = QuantizeLinear (c, s, z)
}
"""
MATMUL = """
<ir_version: 8, opset_import: ["": 17]>
g (uint8[4, 6] x) => (int32[4, 16] y) { y = MatMulInteger (x, w) }
"""
CONSTANTS = {
    "s": np.float32(0.125), "z": np.uint8(0), "ws": np.float32(2**-9), "wz": np.int8(0),
    "w": np.full((16, 16, 1, 1), 127, np.int8), "f": np.full((16, 16, 1, 1), 127 / 2**9, np.float32),
}  # fmt: skip


def conv_model() -> bytes:
    model = onnx.parser.parse_model(CONV)
    names = ("s", "z", "ws", "wz", "w")
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(CONSTANTS[k]), k) for k in names)
    data: bytes = model.SerializeToString()
    return data


def relu_model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(RELU)
    model.graph.initializer.append(numpy_helper.from_array(np.arange(4, dtype=np.float32), "w"))
    return model


X = np.array([[-3, -2, -1, 0]], np.float32)
Y = [[0.0, 0.0, 1.0, 3.0]]


def run(made: object, x: Array = X) -> list[list[float]]:
    result: list[list[float]] = made.run(None, {"x": x})[0].tolist()  # type: ignore[attr-defined]
    return result


def run_reference(model: bytes, x: Array) -> list[Array]:
    return [np.asarray(array) for array in ReferenceEvaluator(model).run(None, {"x": x})]


def weight_types(path: Path) -> set[int]:
    model = onnx.load(path)
    types = {i.name: i.data_type for i in model.graph.initializer}
    return {types[node.input[3]] for node in model.graph.node if node.op_type == "QLinearConv"}


def test_a_path_and_bytes_give_the_same_session(tmp_path: Path) -> None:
    onnx.save(relu_model(), tmp_path / "m.onnx")

    for source in (tmp_path / "m.onnx", str(tmp_path / "m.onnx"), relu_model().SerializeToString()):
        made = session(source)
        assert run(made) == Y
        assert made.get_providers() == ["CPUExecutionProvider"]


def test_threads_default_to_the_physical_cores() -> None:
    data = relu_model().SerializeToString()
    assert session(data).get_session_options().intra_op_num_threads == cpu.physical_cores()
    assert session(data, threads=1).get_session_options().intra_op_num_threads == 1


@pytest.mark.parametrize("spin, allowed", [(True, "1"), (False, "0")])
def test_spinning_can_be_stopped(spin: bool, allowed: str) -> None:
    options = session(relu_model().SerializeToString(), spin=spin).get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == allowed


@pytest.mark.skipif("avx2" not in cpu.isa(), reason="ONNX Runtime converts on x86 alone")
@pytest.mark.parametrize(
    "vnni, exact, expected",
    [
        (True, None, onnx.TensorProto.INT8),
        (False, None, onnx.TensorProto.UINT8),
        (True, True, onnx.TensorProto.UINT8),
        (False, False, onnx.TensorProto.INT8),
    ],
)
def test_without_vnni_onnxruntime_really_avoids_the_saturating_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vnni: bool, exact: bool | None, expected: int
) -> None:
    monkeypatch.setattr(cpu, "isa", lambda: frozenset({"avx512_vnni"} if vnni else {"avx2"}))

    session(conv_model(), exact=exact, optimized_path=tmp_path / "o.onnx", tell=False)

    assert weight_types(tmp_path / "o.onnx") == {expected}


SAFE = np.resize(np.array([127, 1, -127, 127], np.int8), (16, 16, 1, 1))
TWICE = "a = QLinearConv (x, s, z, w, ws, wz, s, z)  y = QLinearConv (a, s, z, w, ws, wz, s, z)"
MANY = {"w": np.full((6, 16), 127, np.int8)}
ZOO: dict[str, tuple[str, dict[str, Array]]] = {
    "a convolution": (CONV, {}),
    "one whose pairs are safe": (CONV, {"w": SAFE}),
    "a shared weight": (CONV.replace("y = QLinearConv (x, s, z, w, ws, wz, s, z)", TWICE), {}),
    "a zero point a channel": (CONV, {"wz": np.zeros(16, np.int8), "ws": np.full(16, 2**-9, np.float32)}),
    "int8 inputs": (CONV.replace("uint8", "int8"), {"z": np.asarray(0, np.int8)}),
    "QDQ": (QDQ, {}),
    "QDQ without zero points": (QDQ.replace("(w, ws, wz)", "(w, ws)"), {}),
    "QDQ, a weight for two": (QDQ.replace("c = Conv (d, v)", "e = Conv (d, v)  h = Conv (d, v)  c = Add (e, h)"), {}),
    "QDQ of a float weight": (QDQ.replace("v = ", "k = QuantizeLinear (f, ws, wz)  v = ").replace("(w,", "(k,"), {}),
    "MatMulInteger": (MATMUL, MANY),
    "MatMulInteger, a weight for two": (MATMUL.replace("y = ", "b = MatMulInteger (x, w)  c = Neg (b)  y = "), MANY),
}


@pytest.mark.parametrize("name", ZOO)
def test_every_form_loads_without_vnni_and_sums_exactly(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    text, changed = ZOO[name]
    model = onnx.parser.parse_model(text)
    used = {i for node in model.graph.node for i in node.input}
    constants = {k: v for k, v in {**CONSTANTS, **changed}.items() if k in used}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
    (given,) = model.graph.input
    shape = [d.dim_value for d in given.type.tensor_type.shape.dim]
    x = np.full(shape, 100, onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type))
    (expected,) = run_reference(model.SerializeToString(), x)

    monkeypatch.setattr(cpu, "isa", lambda: frozenset({"avx2"}))
    (found,) = session(model.SerializeToString(), tell=False).run(None, {"x": x})

    np.testing.assert_array_equal(found, expected)


def test_what_saturates_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "isa", lambda: frozenset({"avx2"}))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    (tmp_path / "m.onnx").write_bytes(conv_model())

    with pytest.warns(
        UserWarning, match=r"m\.onnx: 1 of its int8 weights would saturate .* --target avx2 or --format pyq8"
    ) as told:
        session(tmp_path / "m.onnx")

    assert len(told) == 1
    assert "\n" not in str(told[0].message)


def test_weights_in_another_file_are_read_where_they_may_saturate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx.save(
        onnx.load_from_string(conv_model()),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    x = np.full((1, 16, 6, 6), 100, np.uint8)
    monkeypatch.setattr(cpu, "isa", lambda: frozenset({"avx2"}))

    (found,) = session(tmp_path / "m.onnx", tell=False).run(None, {"x": x})

    (expected,) = run_reference(conv_model(), x)
    np.testing.assert_array_equal(found, expected)


def test_optimize_decides_what_is_fused(tmp_path: Path) -> None:
    text = """
    <ir_version: 8, opset_import: ["": 17]>
    g (float[1, 4, 5, 5] x, float[4, 4, 1, 1] w) => (float[1, 4, 5, 5] y) { c = Conv (x, w)  y = Relu (c) }
    """
    data = onnx.parser.parse_model(text).SerializeToString()
    counts = {}
    levels: tuple[Optimize, ...] = ("off", "basic", "extended", "all")
    for level in levels:
        session(data, optimize=level, optimized_path=tmp_path / f"{level}.onnx")
        counts[level] = sum(n.op_type == "Relu" for n in onnx.load(tmp_path / f"{level}.onnx").graph.node)
    assert counts == {"off": 1, "basic": 1, "extended": 0, "all": 0}


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ModelError, match=r"^/no/such\.onnx: no such file$"):
        session("/no/such.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_what_is_no_model_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    for source in (tmp_path / "bad.onnx", content):
        with pytest.raises(ModelError) as caught:
            session(source)
        assert "\n" not in str(caught.value)
        assert "ONNXRuntimeError" not in str(caught.value)
    with pytest.raises(ModelError, match=r"bad\.onnx: onnxruntime cannot load it"):
        session(tmp_path / "bad.onnx")


def test_an_unknown_operator_is_named() -> None:
    text = '<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) { y = Frobnicate (x) }'
    with pytest.raises(ModelError, match="Frobnicate"):
        session(onnx.parser.parse_model(text).SerializeToString())


def test_a_model_in_memory_is_run_and_not_changed() -> None:
    model = onnx_ir.from_proto(relu_model())
    before = onnx_ir.to_proto(model).SerializeToString()

    assert run(model_session(model)) == Y
    assert onnx_ir.to_proto(model).SerializeToString() == before


def test_a_large_model_goes_through_files_that_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "INLINE_BYTES", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = onnx_ir.from_proto(relu_model())
    model.graph.initializers["w"].const_value = onnx_ir.tensor(np.ones(4, np.float32), name="w")

    made = model_session(model)

    assert list(tmp_path.iterdir()) == []
    assert run(made) == [[0, 0, 0, 1]]
    assert model.graph.initializers["w"].const_value is not None


def test_weights_that_still_lie_in_files_are_found(tmp_path: Path) -> None:
    onnx_ir.save(onnx_ir.from_proto(relu_model()), tmp_path / "m.onnx", external_data="w.bin", size_threshold_bytes=0)
    model = onnx_ir.load(tmp_path / "m.onnx")
    assert isinstance(model.graph.initializers["w"].const_value, onnx_ir.ExternalTensor)

    assert run(model_session(model)) == Y
    assert run(session(tmp_path / "m.onnx")) == Y


def test_a_full_disk_is_reported_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MODULE, "INLINE_BYTES", 0)
    monkeypatch.setattr(onnx_ir, "save", full)
    with pytest.raises(OutputError, match=r"No space left on device.*TMPDIR"):
        model_session(onnx_ir.from_proto(relu_model()))


def test_importing_it_does_not_import_onnxruntime() -> None:
    code = "import pyq8.runtime.sessions, sys; print('onnxruntime' in sys.modules or 'onnx_ir' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "False"
