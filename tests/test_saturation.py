"""saturation.py and paired.py: no pair of weights of `--target avx2` saturates, whatever the node and the CPU.

A plain session of onnxruntime, and one with its exact but slower sums, must agree bit for bit. On a CPU with VNNI they
always do: there the pairs are what is tested, and that unsafe ones are found.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import onnx.utils
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import numpy_helper

import pyq8
from pyq8 import affine
from pyq8.affine import choose_weight_qparams, dequantize, quantize
from pyq8.correction.correct import correct
from pyq8.correction.effort import Effort
from pyq8.correction.rounding import round_rows
from pyq8.errors import PlanError
from pyq8.graph_edit import add_initializer, set_input
from pyq8.plan.paired import paired_codes, paired_qparams
from pyq8.result import Result
from pyq8.rewrite import rewrite
from pyq8.runtime.unsaturated import find_saturating
from pyq8.saturation import LIMIT, can_saturate, kernel_order, laid_out, project, undo_kernel_order, unsafe
from pyq8.types import INT7, INT8, PAIRED, Array, Config, Feeds, Plan, pack_codes

from .small_models import FORMATS, Weights, between, parse, quantized, random_feeds

DIGITS = Path(__file__).parents[1] / "calib_datasets" / "digits"
EFFORT = Effort(equalize=False, images=0, pixels=32, layers=2)
BODIES: dict[str, tuple[str, Weights]] = {
    "convolution": ("c = Relu(a) b = Conv<pads = [1, 1, 1, 1]>(c, w)", {"w": (16, 16, 3, 3)}),
    "pointwise": ("c = Relu(a) b = Conv(c, w)", {"w": (32, 16, 1, 1), "w2": (16, 32, 3, 3)}),
    "groups": ("c = Relu(a) b = Conv<group = 4, pads = [1, 1, 1, 1]>(c, w)", {"w": (16, 4, 3, 3)}),
    "multiplier": ("c = Relu(a) b = Conv<group = 16>(c, w)", {"w": (32, 1, 3, 3), "w2": (16, 32, 3, 3)}),
    "odd channels": (
        "c = Conv(a, v) d = Relu(c) b = Conv<pads = [1, 1, 1, 1]>(d, w)",
        {"v": (7, 16, 1, 1), "w": (16, 7, 3, 3)},
    ),
}
OTHERS: dict[str, tuple[str, Weights]] = {
    "three channels first": (
        "g (float[1, 3, 9, 9] x) => (float[N, C, H, W] y) { a = Conv(x, v) b = Relu(a) y = Conv(b, w) }",
        {"v": (16, 3, 3, 3), "w": (5, 16, 1, 1)},
    ),
    "gemm and matmul": (
        "g (float[1, 4, 6, 6] x) => (float[N, C] y) { p = Conv(x, w0) f = Flatten(p) a = Gemm<transB = 1>(f, w1, b1) "
        "b = Relu(a) c = Gemm(b, w2) y = MatMul(c, w3) }",
        {"w0": (17, 4, 6, 6), "w1": (15, 17), "b1": (15,), "w2": (15, 16), "w3": (16, 8)},
    ),
    "as it is and transposed": (
        "g (float[1, 8, 4, 4] x) => (float[N, M] y) { a = Conv(x, v) f = Flatten(a) p = Gemm(f, w) "
        "y = Gemm<transB = 1>(p, w) }",
        {"v": (4, 8, 1, 1), "w": (64, 64)},
    ),
}


def models() -> dict[str, ir.Model]:
    found = {name: between(body, uniform(weights)) for name, (body, weights) in BODIES.items()}
    return found | {name: parse(text, uniform(weights)) for name, (text, weights) in OTHERS.items()}


def uniform(weights: Weights) -> Weights:
    """Random signs, sizes of 0.5 to 1: two in one pair go too far together."""
    rng = np.random.default_rng(3)
    made: dict[str, Array] = {}
    for name, shape in weights.items():
        assert isinstance(shape, tuple)
        size = rng.uniform(0.5, 1, shape) * rng.choice([-1, 1], shape)
        made[name] = (size / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    return made


def outputs(model: ir.Model, feeds: list[Feeds], precision: str) -> list[Array]:
    """Of onnxruntime itself, without pyq8's options. Every reader has its weight alone: shared, it cannot be exact."""
    model = model.clone()
    for node in list(model.graph):
        for index, value in enumerate(node.inputs):
            if value is not None and value.is_initializer() and len(value.uses()) > 1:
                assert value.const_value is not None
                own = add_initializer(model.graph, f"{value.name}_of_{node.name}_{index}", value.const_value.numpy())
                set_input(node, index, own)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", precision)
    session = onnxruntime.InferenceSession(
        ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return [array for f in feeds for array in session.run(None, f)]


def assert_exact(model: ir.Model, feeds: list[Feeds]) -> None:
    assert list(find_saturating(model)) == []
    for plain, exact in zip(outputs(model, feeds, "0"), outputs(model, feeds, "1"), strict=True):
        np.testing.assert_array_equal(plain, exact)


def with_weight(text: str, weight: Array) -> ir.Model:
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 17]> {text}')
    proto.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    return ir.from_proto(proto)


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained ones: half of the embedded network, which an emulated CPU corrects in seconds."""
    path = tmp_path_factory.mktemp("trained") / "layers.onnx"
    ends = ["/residual2/Relu_output_0"], ["/inception2/Concat_output_0"]
    onnx.utils.extract_model(DIGITS / "digits.onnx", path, *ends)
    return path


@pytest.fixture(scope="module")
def trained(layers: Path) -> Result:
    """The layers, quantized for CPUs without VNNI."""
    (name,) = (value.name for value in onnx.load(layers).graph.input)
    images = np.random.default_rng(0).gamma(1, size=(4, 64, 16, 16)).astype(np.float32)
    return pyq8.quantize(layers, [{name: images}], target="avx2")


def plans(model: ir.Model, config: Config, feeds: list[Feeds]) -> tuple[Plan, Plan]:
    """As planned, and corrected."""
    plan = quantized(model, config, feeds).plan
    return plan, correct(model, plan, lambda: feeds, EFFORT, rewrite)


@pytest.mark.cpu
@pytest.mark.parametrize("name", [*BODIES, *OTHERS])
def test_no_sum_saturates(name: str) -> None:
    model = models()[name]
    feeds = random_feeds(model)

    for plan in plans(model, Config(weight_type=PAIRED), feeds):
        for form in FORMATS:
            assert_exact(rewrite(model, plan, form), feeds)


@pytest.mark.cpu
@pytest.mark.parametrize("name", [*BODIES, *OTHERS])
def test_at_8_bits_it_would(name: str) -> None:
    model = models()[name]
    feeds = random_feeds(model)

    for plan in plans(model, Config(), feeds):
        for form in FORMATS:
            assert list(find_saturating(rewrite(model, plan, form)))


PRUNED = np.append(np.random.default_rng(0).standard_normal((64, 16, 3, 3)), np.zeros((1, 16, 3, 3)), axis=0)


@pytest.mark.parametrize(
    ("weight", "safe"),
    [(np.zeros((16, 16, 3, 3)), 16), (PRUNED, 1), (np.ones((5, 1)), 5), (np.ones((3, 1, 1, 1)), 3)],
    ids=["zeros", "a pruned channel alone in its part", "one product", "one product of a convolution"],
)
def test_channels_of_which_nothing_saturates_keep_8_bits(weight: Array, safe: int) -> None:
    weight = weight.astype(np.float32)
    finest = choose_weight_qparams(weight, 0, INT8)

    found = paired_qparams(weight, finest, (0,))

    np.testing.assert_array_equal(found.scale[-safe:], finest.scale[-safe:])
    codes = paired_codes(weight, found)
    assert not can_saturate(affine.quantize(weight, found) if codes is None else codes, 0)


@pytest.mark.cpu
def test_trained_weights_saturate_nowhere(trained: Result) -> None:
    assert_exact(trained.model, random_feeds(trained.prepared))


@pytest.mark.cpu
def test_depthwise_convolutions_keep_8_bits() -> None:
    model = between("c = Relu(a) b = Conv<group = 16>(c, w)", uniform({"w": (16, 1, 3, 3)}))

    plan = quantized(model, Config(weight_type=PAIRED)).plan

    assert plan.qparams["w"].qtype is INT8
    assert plan.qparams["w2"].qtype is PAIRED
    assert_exact(rewrite(model, plan), random_feeds(model))


def test_a_scale_is_coarser_only_where_pairs_ask_for_it() -> None:
    weight = np.zeros((3, 4, 1, 1), np.float32)
    weight[0, :, 0, 0] = 1, -1, 1, -1  # pairs of two signs
    weight[1, :, 0, 0] = 1, 0.1, 0.1, 0.1  # beyond by little
    weight[2, :, 0, 0] = 1, 1, 1, 1

    model = between("c = Relu(a) d = Conv(c, v) b = Conv(d, w)", {"v": (4, 16, 1, 1), "w": weight, "w2": (16, 3, 3, 3)})
    eight, paired = (quantized(model, Config(weight_type=t)).plan.qparams["w"] for t in (INT8, PAIRED))

    ratio = paired.scale / eight.scale
    assert ratio[0] == 1
    assert 1 <= ratio[1] < 127 / 64
    assert ratio[2] == pytest.approx(127 / 64)


def test_a_finer_scale_than_7_bits_loses_less() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((16, 64, 3, 3)).astype(np.float32)
    eight, seven = (choose_weight_qparams(weight, 0, t) for t in (INT8, INT7))
    paired = paired_qparams(weight, eight, {0})
    codes = paired_codes(weight, paired)
    assert codes is not None
    errors = [
        np.square(dequantize(q, p) - weight).mean() for q, p in ((codes, paired), (quantize(weight, seven), seven))
    ]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("shape", [(4, 3, 3, 3), (2, 4, 1, 1), (5, 7, 2), (6, 9)])
def test_kernel_order(shape: tuple[int, ...]) -> None:
    weight = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    rows = kernel_order(weight, 0)

    expected = [[weight[o].reshape(shape[1], -1)[c, t] for t in range(rows.shape[1] // shape[1])
                 for c in range(shape[1])] for o in range(shape[0])]  # fmt: skip
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(undo_kernel_order(rows, weight, 0), weight)
    stored = laid_out(shape[1], rows.shape[1] // shape[1])
    np.testing.assert_array_equal(weight.reshape(shape[0], -1)[:, stored], rows)


def test_the_limit_is_what_16_bits_hold() -> None:
    pairs = np.array(
        [[127, 1], [127, 2], [-127, -1], [-127, -2], [127, -127], [64, 64], [-128, 0], [-128, -1]], np.int8
    )
    sums = 255 * pairs.astype(int)
    high, low = np.maximum(sums, 0).sum(axis=1), np.minimum(sums, 0).sum(axis=1)

    np.testing.assert_array_equal(unsafe(pairs)[:, 0], (high > 32767) | (low < -32768))
    assert not unsafe(np.array([[1, 1, 127]], np.int8)).any()  # the last one has no partner


def test_projection_is_safe_and_moves_only_what_goes_too_far() -> None:
    wanted = np.random.default_rng(0).uniform(-140, 140, (50, 33)).astype(np.float32)

    codes = project(wanted, 127)

    assert not unsafe(codes.astype(np.int8)).any()
    nearest = np.clip(np.rint(wanted), -127, 127)
    kept = np.repeat(~unsafe(nearest.astype(np.int8)), 2, axis=1)
    np.testing.assert_array_equal(codes[:, :32][kept], nearest[:, :32][kept])
    np.testing.assert_array_equal(codes[:, 32], nearest[:, 32])


@pytest.mark.parametrize("count", [40, 41, 300])
def test_rounding_keeps_within_and_beats_the_nearest(count: int) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((900, 8)) @ rng.standard_normal((8, count))).astype(np.float32)
    x += 0.1 * rng.standard_normal(x.shape).astype(np.float32)
    moment = np.cov(x.T).astype(np.float32)
    laid = laid_out(count, 1) if count % 4 else laid_out(count // 4, 4)
    wanted = rng.uniform(-100, 100, (1, 20, count)).astype(np.float32)

    codes = round_rows(wanted, moment[None], 127, laid=laid)[0]

    assert not unsafe(codes[:, laid]).any()
    nearest = np.empty_like(wanted[0])
    nearest[:, laid] = project(wanted[0][:, laid], 127)
    errors = [np.einsum("ok,kl,ol->", e, moment, e) for e in (wanted[0] - codes, wanted[0] - nearest)]
    assert errors[0] < 0.2 * errors[1]


@pytest.mark.cpu
def test_the_sums_are_exact_or_those_of_pairs() -> None:
    """What the module says of the kernels, held against the one of this CPU."""
    rng = np.random.default_rng(0)
    x, w = rng.integers(200, 256, (4, 37), np.uint8), rng.integers(60, 128, (37, 24)).astype(np.int8)
    text = "g (uint8[4, 37] x) => (int32[4, 24] y) { y = MatMulInteger(x, w) }"
    model = with_weight(text, w)

    (plain,), (exact,) = (outputs(model, [{"x": x}], p) for p in ("0", "1"))

    products = x[:, :, None].astype(int) * w[None]
    pairs = np.clip(products[:, :36].reshape(4, 18, 2, 24).sum(axis=2), -32768, 32767).sum(axis=1) + products[:, 36]
    np.testing.assert_array_equal(exact, products.sum(axis=1))
    assert np.array_equal(plain, exact) or np.array_equal(plain, pairs)
    assert len(list(find_saturating(model))) == 1


@pytest.mark.parametrize("codes", [True, False], ids=["codes", "scale"])
def test_an_edited_plan_that_saturates_is_told(tmp_path: Path, layers: Path, trained: Result, codes: bool) -> None:
    found = trained
    path = tmp_path / "plan.json"
    found.save_plan(path)
    data = json.loads(path.read_text())
    name, old = next((n, c) for n, c in found.plan.codes.items() if found.plan.qparams[n].qtype is PAIRED)
    if codes:
        data["codes"][name] = pack_codes(np.full_like(old, LIMIT // 2 + 1))
    else:
        del data["codes"][name]
        data["qparams"][name]["scale"] = [s / 2 for s in data["qparams"][name]["scale"]]
    path.write_text(json.dumps(data))

    section = "codes" if codes else "qparams"
    message = rf"{section} '{name}': two weights of output channel \d+ .* beyond 128 together"
    with pytest.raises(PlanError, match=message):
        pyq8.replay(layers, path)


def test_a_plan_gives_the_same_bytes_again(tmp_path: Path, layers: Path, trained: Result) -> None:
    found = trained
    found.save_plan(tmp_path / "plan.json")

    again = pyq8.replay(layers, tmp_path / "plan.json")

    assert ir.to_proto(again.model).SerializeToString() == ir.to_proto(found.model).SerializeToString()
