"""compare: the worst layer is known by name."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from pyq8.loaders import Batch
from pyq8.rewrite import rewrite
from pyq8.types import Feeds, Plan, QParams
from pyq8.verify.layers import LayerReport, compare

from ..small_models import FORMATS, Case, between, executed, parse, quantized

BODY = "[r] c = Relu(a) [bad] d = Conv(c, w) [max] b = MaxPool<kernel_shape = [2, 2]>(d)"


def compare_layers(model: ir.Model, candidate: ir.Model, plan: Plan, feeds: Iterable[Feeds]) -> LayerReport:
    sizes = [(f, len(next(iter(f.values())))) for f in feeds]
    return compare(model, candidate, plan, [Batch(f, (None,) * n, ("",) * n) for f, n in sizes])[1]


def many(channels: int = 16) -> Case:
    w = np.random.default_rng(0).standard_normal((channels, 16, 1, 1)).astype(np.float32)
    return quantized(between(BODY, {"w": w}))


def test_every_quantized_tensor_has_a_row_with_the_node_that_computes_it() -> None:
    case = many()

    for name in FORMATS:
        report = compare_layers(case.model, case.quantized[name], case.plan, case.feeds)

        assert {(r.tensor, r.node) for r in report.rows} == {
            ("c", "r"),
            ("d", "bad"),
            ("y", "conv2"),
        }  # not what a MaxPool picks
        assert report.samples == len(case.feeds)
        assert all(r.sqnr > 30 for r in report.rows)
        assert [r.sqnr for r in report.rows] == sorted(r.sqnr for r in report.rows)


def test_a_broken_layer_is_the_first_row() -> None:
    case = many()
    broken = case.quantized["qoperator"]
    for node in broken.graph:
        if node.name == "bad":  # the scale of its output, twice too large
            scale = node.inputs[6]
            assert scale is not None and scale.const_value is not None
            doubled = ir.Value(name="doubled", const_value=ir.tensor(scale.const_value.numpy() * np.float32(2)))
            doubled.type, doubled.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape([])
            broken.graph.register_initializer(doubled)
            node.replace_input_with(6, doubled)

    report = compare_layers(case.model, broken, case.plan, case.feeds)

    rows = {r.node: r.sqnr for r in report.rows}
    assert rows["r"] > 30
    assert rows["bad"] < 10
    assert report.rows[0].sqnr < 10


def test_looking_at_the_tensors_leaves_the_int8_kernels_in_place() -> None:
    from pyq8.model.parts import with_outputs

    case = many()

    for name in FORMATS:
        plain = executed(case.quantized[name])
        watched = executed(with_outputs(case.quantized[name], ["c_quantized", "d_quantized"]))
        assert {k: v for k, v in plain.items() if k.startswith("Q")} == {
            k: v for k, v in watched.items() if k.startswith("Q")
        }


def test_a_float_tensor_called_like_a_quantized_one_is_not_mistaken_for_it() -> None:
    text = """g (float[1, 8, 9, 9] x) => (float[N, C, H, W] y) {
        [one] a = Conv(x, w1)  [two] a_quantized = HardSwish(a)  [three] y = Conv(a_quantized, w2)
    }"""
    case = quantized(parse(text, {"w1": (16, 8, 1, 1), "w2": (16, 16, 1, 1)}))

    report = compare_layers(case.model, case.quantized["qdq"], case.plan, case.feeds)

    assert all(r.sqnr > 30 for r in report.rows)


def test_batches_are_cut_into_images() -> None:
    case = many()
    joined: list[Feeds] = [{"x": np.concatenate([f["x"] for f in case.feeds])}]

    one, all_at_once = (compare_layers(case.model, case.quantized["qdq"], case.plan, f) for f in (case.feeds, joined))

    assert one == all_at_once


def test_json_round_trip_and_text() -> None:
    case = many()
    report = compare_layers(case.model, case.quantized["qdq"], case.plan, case.feeds)

    assert LayerReport.from_json(json.loads(json.dumps(report.to_json()))) == report
    assert str(report).splitlines()[0].endswith(f"dB  {report.rows[0].node}")


def test_a_plan_with_a_wrong_scale_shows() -> None:
    case = many()
    right = case.plan.qparams["d"]
    wrong = QParams((right.scale / 4).astype(np.float32), right.zero_point, right.qtype)
    plan = type(case.plan)(
        {**case.plan.qparams, "d": wrong}, case.plan.int8_nodes, case.plan.float_nodes, case.plan.absorbed
    )

    report = compare_layers(case.model, rewrite(case.model, plan), plan, case.feeds)

    assert {r.node: r.sqnr for r in report.rows}["bad"] < 10
