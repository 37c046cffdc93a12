from __future__ import annotations

import numpy as np
import pytest

from pyq8.model.shapes import infer_shapes
from pyq8.passes import pad_input_channels
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import ANYWHERE, FORMATS, Weights, parse, quantized

W: Weights = {"w": (16, 3, 3, 3), "few": (6, 3, 1, 1), "rgba": (16, 4, 3, 3)}
FIRST = "g (float[N, 3, 6, 6] x) => (float[N, 16, 6, 6] y) { [first] y = Conv<pads = [1, 1, 1, 1]>(x, w) }"
LAST = """g (float[N, 6, 5, 3] x) => (float[N, 16, 4, 3] y) {
    [turn] t = Transpose<perm = [0, 3, 1, 2]>(x)
    [first] y = Conv(t, w)
}"""


def test_an_image_gets_a_fourth_channel() -> None:
    result, new = apply(pad_input_channels, parse(FIRST, W))
    assert result.changed == ("first",)
    assert ops(new) == {"Pad": 1, "Conv": 1}


@pytest.mark.parametrize("size", ["6, 5", "H, W"])
def test_so_does_one_whose_channels_come_last(size: str) -> None:
    model = parse(LAST.replace("6, 5", size).replace("4, 3] y", "P, Q] y"), W)
    image = {"x": np.random.default_rng(0).standard_normal((2, 6, 5, 3)).astype(np.float32)}
    result, new = apply(pad_input_channels, model, image)
    assert result.changed == ("first",)
    assert ops(new)["Transpose"] == ops(new)["Pad"] == 1
    (transpose,) = [node for node in new.graph if node.op_type == "Transpose"]
    assert transpose.attributes["perm"].as_ints() == (0, 2, 1)  # ONNX Runtime does not see through this one


def test_a_reader_of_the_shape_does_not_matter() -> None:
    text = """g (float[N, 3, 6, 6] x) => (float[N, 16, 4, 4] y, int64[4] s) {
        [first] y = Conv(x, w)
        s = Shape(x)
    }"""
    result, _ = apply(pad_input_channels, parse(text, W))
    assert result.changed == ("first",)


@pytest.mark.cpu
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", [FIRST, LAST], ids=["first", "last"])
def test_the_channel_is_added_as_uint8_and_the_convolution_is_fast(text: str, form: str) -> None:
    _, new = apply(pad_input_channels, parse(text, W))
    infer_shapes(new)
    case = quantized(new, ANYWHERE)
    assert all(row.int8 for row in case.kernels(form).rows)
    assert case.row(form, "first").fast
    assert case.plan.float_nodes == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (FIRST.replace("w)", "few)").replace("pads = [1, 1, 1, 1]", "group = 1"), "6 output channels"),
        (FIRST.replace("y = Conv", "z = Relu(x) [first] y = Conv").replace("[first] z", "z"), "something else reads"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    text = text.replace("float[N, 16, 6, 6] y", "float[N, C, H, W] y")
    if "z = Relu" in text:
        text = text.replace(" y) {", " y, float[N, 3, 6, 6] z) {")
    assert reason in refusal(pad_input_channels, parse(text, W), "first")


def test_refuses_a_convolution_that_stays_fp32() -> None:
    text = FIRST.replace(" x) =>", " x, float[16] b) =>").replace("(x, w)", "(x, w, b)")
    assert refusal(pad_input_channels, parse(text, W), "first") == "it stays FP32"


def test_four_channels_need_none() -> None:
    text = FIRST.replace("N, 3, 6", "N, 4, 6").replace("w)", "rgba)")
    result, _ = apply(pad_input_channels, parse(text, W))
    assert result.changed == () and result.refused == {}
