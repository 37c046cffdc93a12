from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
from onnx import numpy_helper

import pyq8.model.file
from pyq8.errors import OutputError
from pyq8.model.file import load, save, sha256, weight_bytes
from pyq8.passes import prepare
from pyq8.runtime.sessions import session
from pyq8.types import Array
from tests.passes.equivalence import assert_same, feeds_of, run

W = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
NEWEST = 26
"""The last opset that the installed onnx and onnxruntime both know."""


def write(path: Path, graph: str, opset: int = 17, **weights: Array) -> onnx.ModelProto:
    ir_version = 8 if opset < 20 else 11
    text = f'<ir_version: {ir_version}, opset_import: ["": {opset}, "mine": 1]> {graph}'
    proto = onnx.parser.parse_model(text)
    for name, array in {"w": W, **weights}.items():
        proto.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.save(proto, path)
    return proto


def outputs_of(path: Path, model: ir.Model) -> dict[str, Array]:
    """What the file computes, on the inputs that `feeds_of(model)` gives."""
    original = session(path, optimize="off", threads=1)
    names = [output.name for output in original.get_outputs()]
    return dict(zip(names, original.run(names, feeds_of(model)), strict=True))


PLAIN = "g (float[N,3,8,8] x) => (float[N,4,6,6] y) { [conv] a = Conv(x, w) [relu] y = Relu(a) }"


@pytest.mark.parametrize("opset", [13, 14, 17, 18, 19, 21, 22, 24, NEWEST])
def test_loads_every_opset(opset: int, tmp_path: Path) -> None:
    # given operators whose form changed between opsets
    axes = "m = ReduceMean<axes = [2, 3]>(q)" if opset < 18 else "m = ReduceMean(q, ax)"
    path = tmp_path / "model.onnx"
    graph = f"""g (float[N,3,8,8] x) => (float[N,4,1,1] y) {{
        p = Pad(x, amounts) a = Conv(p, w) b = BatchNormalization(a, s, s, s, s) r = Relu(b)
        q = MaxPool<kernel_shape = [2, 2]>(r) {axes} d = Dropout(m) y = Identity(d)
    }}"""
    extra: dict[str, Array] = {
        "s": np.arange(1, 5, dtype=np.float32),
        "amounts": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "ax": np.array([2, 3]),
    }
    write(path, graph, opset, **extra)

    # when
    model = load(path)

    # then the opset stays, and nothing changes in what is computed
    assert model.opset_imports[""] == opset
    expected = outputs_of(path, model)
    assert_same(run(model, feeds_of(model)), expected)
    prepared = prepare(model).model
    assert_same(run(prepared, feeds_of(model)), expected)
    assert [node.op_type for node in prepared.graph] == ["Conv", "Relu", "MaxPool", "GlobalAveragePool"]


def test_constants_become_initializers_and_initializers_no_inputs(tmp_path: Path) -> None:
    # given a weight that is an input too, and constants of all forms
    path = tmp_path / "model.onnx"
    proto = write(
        path,
        """g (float[N,3,8,8] x) => (float[N,4,6,6] y) {
            a = Conv(x, w) f = Constant<value_float = 2.0>() g = Constant<value_floats = [1.0]>()
            i = Constant<value_int = 3>() k = Cast<to = 1>(i) t = Constant<value = float[1] {5}>()
            b = Mul(a, f) c = Add(b, g) d = Sub(c, k) y = Add(d, t)
        }""",
    )
    proto.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, W.shape))
    onnx.save(proto, path)

    # when
    model = load(path)

    # then
    assert [value.name for value in model.graph.inputs] == ["x"]
    assert set(model.graph.initializers) == {"w", "f", "g", "i", "t"}
    assert_same(run(model, feeds_of(model)), outputs_of(path, model))


def test_an_old_file_form_is_raised_with_its_inputs(tmp_path: Path) -> None:
    # given a file of IR version 3, which wants every initializer to be an input
    path, out = tmp_path / "model.onnx", tmp_path / "out.onnx"
    proto = write(path, PLAIN, 13)
    proto.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, W.shape))
    proto.ir_version = 3
    onnx.save(proto, path)

    # when
    save(load(path), out)

    # then
    onnx.checker.check_model(out, full_check=True)


def test_a_constant_that_is_an_output_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    graph = """g (float[N,3,8,8] x) => (float[N,4,6,6] y, float[1] t) {
        t = Constant<value = float[1] {5}>() a = Conv(x, w) y = Add(a, t)
    }"""
    write(path, graph)
    model = load(path)
    expected = outputs_of(path, model)
    assert_same(run(model, feeds_of(model)), expected)
    assert_same(run(prepare(model).model, feeds_of(model)), expected)


def test_every_node_gets_a_name_of_its_own(tmp_path: Path) -> None:
    # given nodes without names and nodes with the same one
    path = tmp_path / "model.onnx"
    graph = """g (float[N,3,8,8] x) => (float[N,4,6,6] y) {
        a = Conv(x, w) b = Conv(x, w) [n] c = Relu(a) [n] d = Relu(b) y = Add(c, d)
    }"""
    write(path, graph)

    # then unnamed ones are called by their operator
    assert [node.name for node in load(path).graph] == ["Conv", "Conv_1", "n", "n_1", "Add"]


def test_functions_are_inlined(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    function = """<domain: "mine", opset_import: ["": 17]>
    block <slope> (i, k) => (o) { a = Conv(i, k) o = LeakyRelu<alpha: float = @slope>(a) }"""
    graph = """g (float[N,3,8,8] x) => (float[A,B,C,D] y) {
        a = mine.block<slope = 0.5>(x, w) y = mine.block<slope = 0.1>(a, u)
    }"""
    write(path, graph + function, u=np.ones((2, 4, 3, 3), np.float32))
    model = load(path)
    assert not model.functions
    assert [node.op_type for node in model.graph] == ["Conv", "LeakyRelu", "Conv", "LeakyRelu"]
    assert_same(run(model, feeds_of(model)), outputs_of(path, model))


def test_nodes_come_in_the_order_of_their_data(tmp_path: Path) -> None:
    # given a file whose nodes are in another order, which ONNX Runtime takes
    path = tmp_path / "model.onnx"
    write(path, "g (float[N,3,8,8] x) => (float[N,4,6,6] y) { y = Relu(a) a = Conv(x, v) v = Neg(w) }")
    model = load(path)
    assert [node.op_type for node in model.graph] == ["Neg", "Conv", "Relu"]
    prepared = prepare(model).model
    assert [node.op_type for node in prepared.graph] == ["Conv", "Relu"]
    assert_same(run(prepared, feeds_of(model)), outputs_of(path, model))


CONTROL_FLOW = """g (float[N,3,8,8] x, bool c, int64 n) => (float[N,4,6,6] y, float[4,3,3,3] w) {
    p = Identity(x) a = Conv(p, w) k = Constant<value = float {2}>() b = Mul(a, k)
    i = If(c) <
        then_branch = t () => (float[N,4,6,6] t1) { t0 = Constant<value = float {3}>() t1 = Mul(b, t0) },
        else_branch = e () => (float[N,4,6,6] e1) { e0 = Conv(p, w) e1 = Mul(e0, k) }
    >
    yes = Constant<value = bool {1}>()
    y = Loop(n, yes, i) <body = l (int64 j, bool d, float[N,4,6,6] v) => (bool f, float[N,4,6,6] z) {
        f = Identity(d) u = Conv(p, w) z = Add(u, v)
    }>
}"""


@pytest.mark.parametrize("condition", [True, False])
def test_bodies_that_read_outer_values(condition: bool, tmp_path: Path) -> None:
    # given a weight that is an output of the model and is read inside a branch and a loop
    path = tmp_path / "model.onnx"
    write(path, CONTROL_FLOW)
    model = load(path)
    feeds = {**feeds_of(model), "c": np.array(condition), "n": np.array(2)}
    original = session(path, optimize="off", threads=1)
    expected = dict(zip(["y", "w"], original.run(["y", "w"], feeds), strict=True))

    # then
    assert_same(run(model, feeds), expected)
    assert_same(run(prepare(model).model, feeds), expected)


def test_an_image_of_bytes_that_the_model_normalizes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    graph = """g (uint8[N,8,8,3] u) => (float[N,4,6,6] y) {
        f = Cast<to = 1>(u) t = Transpose<perm = [0, 3, 1, 2]>(f) s = Sub(t, mean) d = Div(s, std) y = Conv(d, w)
    }"""
    write(path, graph, mean=np.full((1, 3, 1, 1), 120, np.float32), std=np.full((3, 1, 1), 58, np.float32))
    model = load(path)
    expected = outputs_of(path, model)
    assert_same(run(prepare(model).model, feeds_of(model)), expected)


@pytest.mark.parametrize("relative", [False, True])
def test_weights_in_another_file(relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a model beside its weights, given by an absolute path or from within its folder
    proto = write(tmp_path / "model.onnx", PLAIN)
    onnx.save(proto, tmp_path / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    monkeypatch.chdir(tmp_path)
    path = Path("model.onnx") if relative else tmp_path / "model.onnx"

    # when
    model = load(path)

    # then
    weight = model.graph.initializers["w"].const_value
    assert weight is not None
    assert np.array_equal(weight.numpy(), W)


def test_weights_behind_links(tmp_path: Path) -> None:
    # given a folder as download caches make it: links to files of other names elsewhere
    store, folder = tmp_path / "store", tmp_path / "snapshot"
    store.mkdir()
    folder.mkdir()
    proto = write(store / "model.onnx", PLAIN)
    onnx.save(proto, store / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    for name, stored in (("model.onnx", "1f"), ("weights.bin", "2e")):
        (store / name).rename(store / stored)
        (folder / name).symlink_to(store / stored)

    # when, then
    model = load(folder / "model.onnx")
    assert_same(run(model, feeds_of(model)), outputs_of(folder / "model.onnx", model))


def test_what_is_saved_does_not_need_the_old_weights_file(tmp_path: Path) -> None:
    # given a model whose weights lie in a file beside it
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    target.mkdir()
    proto = write(source / "model.onnx", PLAIN)
    onnx.save(proto, source / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = load(source / "model.onnx")
    expected = run(model, feeds_of(model))

    # when it is saved in another folder and the first one is gone
    save(model, target / "model.onnx")
    for file in source.iterdir():
        file.unlink()

    # then it is whole
    assert [file.name for file in target.iterdir()] == ["model.onnx"]
    assert_same(run(load(target / "model.onnx"), feeds_of(model)), expected)


def test_a_quantized_model_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    graph = """g (float[N,3,8,8] x) => (float[N,4,6,6] y) {
        s = Constant<value = float {0.1}>() q = QuantizeLinear(x, s) d = DequantizeLinear(q, s) y = Conv(d, w)
    }"""
    write(path, graph)
    model = load(path, quantized=True)
    assert [node.op_type for node in model.graph] == ["Constant", "QuantizeLinear", "DequantizeLinear", "Conv"]


def test_what_the_file_says_of_itself_survives(tmp_path: Path) -> None:
    # given
    path, out = tmp_path / "model.onnx", tmp_path / "out.onnx"
    proto = write(path, PLAIN)
    proto.producer_name, proto.producer_version, proto.doc_string = "exporter", "1.2", "a network"
    proto.domain, proto.model_version, proto.graph.doc_string = "org", 7, "its graph"
    proto.graph.node[0].doc_string = "first layer"
    proto.graph.input[0].doc_string = "an image"
    onnx.helper.set_model_props(proto, {"labels": "cat,dog", "author": "me"})
    onnx.save(proto, path)

    # when
    save(prepare(load(path)).model, out)

    # then
    saved = onnx.load(out)
    assert (saved.producer_name, saved.producer_version, saved.doc_string) == ("exporter", "1.2", "a network")
    assert (saved.domain, saved.model_version, saved.graph.doc_string) == ("org", 7, "its graph")
    assert saved.graph.node[0].doc_string == "first layer"
    assert saved.graph.input[0].doc_string == "an image"
    assert {p.key: p.value for p in saved.metadata_props} == {"labels": "cat,dog", "author": "me"}
    assert [saved.graph.input[0], saved.graph.output[0]] == [proto.graph.input[0], proto.graph.output[0]]
    assert saved.graph.name == "g"


@pytest.mark.parametrize("large", [False, True])
def test_a_saved_model_is_valid_and_the_same_each_time(
    large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given, where a model counts as large from one byte on
    monkeypatch.setattr(pyq8.model.file, "LARGE", 1 if large else 1 << 40)
    path = tmp_path / "model.onnx"
    write(path, CONTROL_FLOW)
    files = ["out.onnx", "out.onnx.data"] if large else ["out.onnx"]

    # when it is prepared and saved twice
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        save(prepare(load(path)).model, tmp_path / name / "out.onnx")
        assert sorted(file.name for file in (tmp_path / name).iterdir()) == files
        contents.append([(tmp_path / name / file).read_bytes() for file in files])

    # then
    assert contents[0] == contents[1]
    onnx.checker.check_model(tmp_path / "one" / "out.onnx", full_check=True)


def test_a_large_model_is_written_in_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyq8.model.file, "LARGE", weight_bytes(load_plain(tmp_path)))
    model = load_plain(tmp_path)
    out = tmp_path / "out.onnx"
    save(model, out)
    assert (tmp_path / "out.onnx.data").stat().st_size == W.nbytes
    assert out.stat().st_size < W.nbytes
    assert_same(run(load(out), feeds_of(model)), run(model, feeds_of(model)))
    weight = model.graph.initializers["w"].const_value
    assert not isinstance(weight, ir.ExternalTensor)


def load_plain(folder: Path) -> ir.Model:
    path = folder / "plain.onnx"
    write(path, PLAIN)
    return load(path)


@pytest.mark.parametrize("large", [False, True])
def test_a_model_may_be_saved_over_its_own_file(large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyq8.model.file, "LARGE", 1 if large else 1 << 40)
    path = tmp_path / "plain.onnx"
    model = load_plain(tmp_path)
    expected = run(model, feeds_of(model))
    for _ in range(3):
        save(load(path), path)
    assert_same(run(load(path), feeds_of(model)), expected)


@pytest.mark.parametrize("suffix", ["onnx", "json", "onnxtxt", "int8"])
def test_the_suffix_does_not_matter(suffix: str, tmp_path: Path) -> None:
    model = load_plain(tmp_path)
    path = tmp_path / f"out.{suffix}"
    save(model, path)
    assert sha256(load(path)) == sha256(model)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("existing", [False, True])
def test_a_full_disk_leaves_nothing_behind(
    existing: bool, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a disk that is full when the model is written, and perhaps an older model there
    model = load_plain(tmp_path)
    (tmp_path / "plain.onnx").unlink()
    out = tmp_path / "out.onnx"
    if existing:
        out.write_bytes(b"older")
    monkeypatch.setattr(pyq8.model.file, "LARGE", 1 if large else 1 << 40)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(proto: onnx.ModelProto, path: Any, **_: Any) -> None:
        Path(path).write_bytes(proto.SerializeToString()[:20])
        raise full

    monkeypatch.setattr(onnx, "save", fail)

    # when
    with pytest.raises(OutputError) as error:
        save(model, out)

    # then
    assert str(error.value) == f"{out}: cannot be written: No space left on device; nothing was kept"
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([b"older"] if existing else [])


def test_a_missing_folder_and_a_folder_in_the_way(tmp_path: Path) -> None:
    model = load_plain(tmp_path)
    with pytest.raises(OutputError, match=r"nowhere/out.onnx: cannot be written: No such file or directory"):
        save(model, tmp_path / "nowhere" / "out.onnx")
    with pytest.raises(OutputError, match=r": a folder; give the path of a file to write"):
        save(model, tmp_path)


def test_sha256_tells_weights_attributes_and_names_apart(tmp_path: Path) -> None:
    # given variants that differ in one thing each
    plain = sha256(load_plain(tmp_path))
    found = {plain}
    path = tmp_path / "other.onnx"
    for graph, weight in (
        (PLAIN, W + 1),
        (PLAIN, W.reshape(4, 3, 9, 1)),
        (PLAIN.replace("Conv(x", "Conv<strides = [2, 2]>(x"), W),
        (PLAIN.replace("[relu]", "[act]"), W),
        (PLAIN.replace("Relu", "Neg"), W),
    ):
        write(path, graph, w=weight)
        found.add(sha256(load(path)))

    # then every digest is another, and the same model's is the same
    assert len(found) == 6
    assert sha256(load_plain(tmp_path)) == plain


def test_weight_bytes_counts_those_of_bodies(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    write(path, CONTROL_FLOW)
    assert weight_bytes(load(path)) == W.nbytes + 4 + 4 + 1
