"""`Region` in ONNX Runtime: wrong files, threads, sessions, instruction sets, machines without kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from pyq8 import kernels
from pyq8.errors import ModelError
from pyq8.kernels.region_record import record, recorded
from pyq8.rewrite import rewrite
from pyq8.runtime.sessions import session
from tests.small_models import WEIGHTS, parse, quantized

pytestmark = pytest.mark.skipif(not kernels.available(), reason=kernels.reason() or "compiled")

TEXT = """g (float[N, 8, H, W] x) => (float[N, 16, I, J] y) {
    [a] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1) [p] p = MaxPool<kernel_shape = [3, 3], strides = [2, 2]>(a)
    [s] s = Sigmoid(p) [k] k = Concat<axis = 1>(s, p) [d] d = Conv<group = 32>(k, w3) [c] y = Conv(d, w4)
}"""
X = np.random.default_rng(0).standard_normal((2, 8, 11, 13)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    weights = {"w3": (32, 1, 3, 3), "w4": (16, 32, 1, 1), "w1": WEIGHTS["w1"], "b1": WEIGHTS["b1"]}
    case = quantized(parse(TEXT, weights), feeds=[{"x": X[:1]}])
    path = tmp_path_factory.mktemp("region") / "model.onnx"
    made = rewrite(case.model, case.plan, "pyq8")
    assert [n.op_type for n in made.graph] == ["Region"]
    ir.save(made, path)
    return path


def python(code: str, *arguments: object, **environment: str) -> str:
    """What a process of its own prints, which has to end well."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            **environment,
            "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), "."])),
        },
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
    return done.stdout


CORRUPT = """
import os, resource, sys
import numpy as np, onnx
import onnxruntime as ort
import pyq8
from tests.kernels.int8.test_custom_operator import X
if "libasan" not in os.environ.get("LD_PRELOAD", ""):
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
ort.set_default_logger_severity(4)
rng = np.random.default_rng(int(sys.argv[2]))
whole = onnx.load(sys.argv[1])
fine = refused = 0
while fine + refused < int(sys.argv[3]):
    model = onnx.ModelProto.FromString(whole.SerializeToString())
    node, = model.graph.node
    numbers = {a.name: a.ints for a in node.attribute if a.name != "names"}
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        which = numbers[rng.choice(["tensors", "layers", "layers", "layers"])]
        i = rng.integers(0, len(which))
        near = which[i] + int(rng.choice([-64, -1, 1, 2, 64]))
        other = which[int(rng.integers(len(which)))]
        which[i] = int(rng.choice([0, -1, 1, near, near, 255, 4095, 65536, 2**31, -2**63, 2**62, other]))
    if rng.random() < 0.1:
        del which[int(rng.integers(0, len(which))):]
    blob = bytearray(model.graph.initializer[0].raw_data)
    if rng.random() < 0.3:
        for i in rng.integers(0, len(blob), 50):
            blob[i] = rng.integers(0, 256)
    if rng.random() < 0.1:
        blob = blob[: int(rng.integers(1, len(blob)))]
    model.graph.initializer[0].raw_data = bytes(blob)
    model.graph.initializer[0].dims[0] = len(blob)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    pyq8.register(options)
    try:
        made = ort.InferenceSession(model.SerializeToString(), options)
        made.run(None, {"x": X[:, :, :7, :7]})
        fine += 1
    except Exception as error:
        assert len(str(error).splitlines()) == 1, error
        refused += 1
print(fine, refused)
"""


@pytest.mark.parametrize("seed", range(2))
def test_a_corrupted_node_is_refused_or_runs_but_never_crashes(model: Path, seed: int) -> None:
    fine, refused = map(int, python(CORRUPT, model, seed, 300).split())

    assert refused > fine > 0


def cut_layers(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    del next(a for a in node.attribute if a.name == "layers").ints[-1]


def no_version(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    node.attribute.remove(next(a for a in node.attribute if a.name == "version"))


def other_version(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    next(a for a in node.attribute if a.name == "version").ints[:] = [2]


def two_versions(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    next(a for a in node.attribute if a.name == "version").ints[:] = [1, 1]


def no_tensors(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    node.attribute.remove(next(a for a in node.attribute if a.name == "tensors"))


def empty_tensors(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    del next(a for a in node.attribute if a.name == "tensors").ints[:]


def no_layers(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    node.attribute.remove(next(a for a in node.attribute if a.name == "layers"))


def constants_come_in(_: onnx.NodeProto, graph: onnx.GraphProto) -> None:
    tensor = graph.initializer.pop()
    graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, onnx.TensorProto.UINT8, tensor.dims))


def constants_are_float(_: onnx.NodeProto, graph: onnx.GraphProto) -> None:
    tensor = graph.initializer[0]
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(1000, np.float32), tensor.name))


def one_input_more(node: onnx.NodeProto, _: onnx.GraphProto) -> None:
    node.input.append("x")


def one_output_more(node: onnx.NodeProto, graph: onnx.GraphProto) -> None:
    node.output.append("more")
    graph.output.append(onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_version, "made by another version of pyq8: quantize it anew"),
        (other_version, "made by another version of pyq8: quantize it anew"),
        (two_versions, "made by another version of pyq8: quantize it anew"),
        (cut_layers, "its tensors or layers are not whole"),
        (no_tensors, "its attribute tensors is missing"),
        (no_layers, "its attribute layers is missing"),
        (empty_tensors, "its tensors or layers are not whole"),
        (constants_come_in, "its first input, the constants, is no initializer"),
        (constants_are_float, "its constants are not uint8 of one dimension"),
        (one_input_more, "it takes 1 inputs"),
        (one_output_more, "it has 1 outputs, its node 2"),
    ],
)
def test_a_wrong_node_is_told(
    model: Path, change: Callable[[onnx.NodeProto, onnx.GraphProto], None], message: str
) -> None:
    proto = onnx.load(model)
    change(proto.graph.node[0], proto.graph)

    with pytest.raises(Exception, match=message) as raised:
        session(proto.SerializeToString(), spin=False).run(None, {"x": X})

    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X.astype(np.float64), "Unexpected input data type"),
        (X[:, :7], "layer 0: input 0 is not of 8 channels, it is 2 x 7 x 11 x 13"),
        (X[0], "Invalid rank"),
        (X[:, :, :2, :2], "layer 2: an image is smaller than a kernel, 2 pixels with pads and 3"),
        (X[:, :, :0], "layer 0: an image without pixels, 0 x 13"),
    ],
)
def test_an_input_that_does_not_fit(model: Path, x: np.ndarray, message: str) -> None:
    proto = onnx.load(model)
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "C"
    made = session(proto.SerializeToString(), spin=False)

    with pytest.raises(Exception, match=message):
        made.run(None, {"x": x})

    assert made.run(None, {"x": X})[0].shape == (2, 16, 3, 4)


def test_an_empty_batch(model: Path) -> None:
    made = session(model, spin=False)

    assert made.run(None, {"x": X[:0]})[0].shape == (0, 16, 3, 4)
    record(True)
    assert made.run(None, {"x": X[:0]})[0].shape == (0, 16, 3, 4)
    record(False)
    ((*runs,),) = recorded()
    assert {(run.macs, run.nanoseconds) for run in runs} == {(0, 0)}


def test_threads_share_a_session_and_two_sessions_run_at_once(model: Path) -> None:
    sessions = [session(model, threads=2, spin=False), session(model, threads=1, spin=False)]
    images = [np.roll(X, i, 3)[: 1 + i % 2, :, :, : 9 + i % 5] for i in range(16)]
    expected = [sessions[1].run(None, {"x": x})[0] for x in images]

    with ThreadPoolExecutor(8) as pool:
        jobs = [(i, pool.submit(sessions[i % 2].run, None, {"x": x})) for _ in range(12) for i, x in enumerate(images)]

    for i, job in jobs:
        np.testing.assert_array_equal(job.result()[0], expected[i])


MANY = """
import sys
import onnxruntime as ort
import pyq8
from tests.kernels.int8.test_custom_operator import X
model = open(sys.argv[1], "rb").read()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
for i in range(1000):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    pyq8.register(options)
    ort.InferenceSession(model, options).run(None, {"x": X})
    if i == 200:
        before = resident()
print(resident() - before)
"""


def test_a_thousand_sessions_leak_nothing(model: Path) -> None:
    allowed = 64 << 20 if "PYQ8_KERNELS" in os.environ else 2 << 20  # freed memory waits in quarantine there
    assert int(python(MANY, model)) < allowed


LARGE = """
import sys
import resource
import numpy as np
import pyq8
from tests.kernels.int8.test_custom_operator import X
run = pyq8.session(sys.argv[1], threads=2, spin=False).run
run(None, {"x": X})
large = np.repeat(X, 20000, axis=0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out = run(None, {"x": large})[0]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 - out.nbytes)
"""


def test_memory_does_not_grow_with_the_batch(model: Path) -> None:
    allowed = 256 << 20 if "PYQ8_KERNELS" in os.environ else 64 << 20  # all images at once: about 500 MiB
    assert int(python(LARGE, model)) < allowed


LEFT = """
import sys
import numpy as np
import pyq8
from tests.kernels.int8.test_custom_operator import X
small, large = (pyq8.session(sys.argv[1], threads=2, spin=False) for _ in range(2))
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
small.run(None, {"x": X})
before = resident()
large.run(None, {"x": np.zeros((1, 8, 1200, 1200), np.float32)})
del large
print(resident() - before)
"""


def test_memory_of_a_large_image_goes_with_its_session(model: Path) -> None:
    allowed = 256 << 20 if "PYQ8_KERNELS" in os.environ else 8 << 20  # the region alone has about 50 MiB
    assert int(python(LEFT, model)) < allowed


RUN = """
import sys
import pyq8
from tests.kernels.int8.test_custom_operator import X
print(pyq8.session(sys.argv[1], threads=2, spin=False).run(None, {"x": X})[0].tobytes().hex())
"""


def test_every_instruction_set_gives_the_same_bytes(model: Path) -> None:
    assert len({python(RUN, model, PYQ8_ISA=isa) for isa in kernels.isas()}) == 1


@pytest.mark.parametrize("name", ["neon", "reference"])
def test_an_instruction_set_that_is_not_here(model: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PYQ8_ISA", name)

    with pytest.raises(ModelError) as raised:
        session(model, spin=False)

    assert str(raised.value).endswith(
        f"PYQ8_ISA={name}: for regions, this CPU and build have {', '.join(kernels.isas())}"
    )
