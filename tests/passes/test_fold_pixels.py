"""Normalization goes into the first convolution: the same values at every pixel, the border's too."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.metrics.sqnr import sqnr
from pyq8.model.shapes import infer_shapes
from pyq8.passes import fold_pixels
from tests.passes.equivalence import apply, ops, refusal
from tests.small_models import ANYWHERE, FORMATS, Weights, parse, quantized

W: Weights = {
    "w": (16, 3, 3, 3), "b": (16,), "gray": (16, 1, 3, 3), "few": (6, 3, 3, 3),
    "mean": np.asarray([123.675, 116.28, 103.53], np.float32), "std": np.asarray([58.395, 57.12, 57.375], np.float32),
    "mean1": np.asarray([123.675, 116.28, 103.53], np.float32).reshape(3, 1, 1), "half": np.float32(127.5),
    "whole": np.float32(127), "scale": np.float32(1 / 128), "one": np.float32(1), "zero": np.float32(0),
    "apart": np.asarray([0, 90, 255], np.float32),
    "bgr": np.array([2, 1, 0]), "twice": np.array([0, 0, 1]), "pixelwise": np.ones((5, 1), np.float32),
}  # fmt: skip
PAD = "pads = [1, 1, 1, 1]"


def model(body: str, inputs: str = "N, 6, 5, 3", conv: str = PAD, weight: str = "w") -> ir.Model:
    """Normalization from `f` to `n`, and the convolution that reads `n`."""
    text = f"""g (uint8[{inputs}] x) => (float[N, C, H, W] y) {{
        [cast] f = Cast<to = 1>(x)
        {body}
        [first] y = Conv<{conv}>(n, {weight}, b)
    }}"""
    weights = dict(W) | ({"b": (6,)} if weight == "few" else {})
    return parse(text, weights)


IMAGENET = "s = Sub(f, mean) d = Div(s, std) n = Transpose<perm = [0, 3, 1, 2]>(d)"
CASES = {
    "means of their own": (IMAGENET, "N, 6, 5, 3", PAD),
    "means far apart": (IMAGENET.replace("mean", "apart"), "N, 6, 5, 3", PAD),
    "an open image size": (IMAGENET, "N, H, W, 3", PAD),
    "without padding": (IMAGENET, "N, 6, 5, 3", "strides = [2, 2]"),
    "asymmetric padding": (IMAGENET, "N, 6, 5, 3", "pads = [0, 0, 1, 1]"),
    "automatic padding": (IMAGENET, "N, 6, 5, 3", 'auto_pad = "SAME_UPPER"'),
    "one mean for all": ("s = Sub(f, half) n = Mul(scale, s)", "N, 3, 6, 5", PAD),
    "a whole mean": ("s = Sub(f, whole) n = Mul(s, scale)", "N, 3, 6, 5", PAD),
    "first scaled": ("s = Mul(f, scale) n = Sub(s, one)", "N, 3, 6, 5", PAD),
    "the constant minus the pixel": ("s = Sub(whole, f) n = Add(s, one)", "N, 3, 6, 5", PAD),
    "channels reordered": (
        "t = Transpose<perm = [0, 3, 1, 2]>(f) g1 = Gather<axis = 1>(t, bgr) n = Sub(g1, mean1)", "N, 6, 5, 3", PAD,
    ),
    "reordered before": (
        "g1 = Gather<axis = -1>(f, bgr) s = Sub(g1, mean) n = Transpose<perm = [0, 3, 1, 2]>(s)", "N, 6, 5, 3", PAD,
    ),
    "nothing to normalize": ("n = Transpose<perm = [0, 3, 1, 2]>(f)", "N, 6, 5, 3", PAD),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_convolution_reads_the_pixels(case: str) -> None:
    result, new = apply(fold_pixels, model(*CASES[case]))
    assert result.changed == ("cast",)
    left = ops(new)
    assert left["DequantizeLinear"] == left["Conv"] == 1
    assert not left.keys() & {"Cast", "Sub", "Mul", "Div", "Add"}


@pytest.mark.cpu
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", ["means of their own", "means far apart", "an open image size"])
def test_nothing_is_computed_in_fp32_before_the_first_convolution(case: str, form: str) -> None:
    body, inputs, conv = CASES[case]
    _, new = apply(fold_pixels, model(body, inputs, conv))
    infer_shapes(new)
    rng = np.random.default_rng(3)
    shape = [1 if d == "N" else int(d) if d.isdigit() else 7 for d in inputs.split(", ")]
    images = [{"x": rng.integers(0, 256, shape).astype(np.uint8)} for _ in range(4)]
    quant = quantized(new, ANYWHERE, images)
    assert quant.row(form, "first").fast
    float_rows = {row.op_type for row in quant.kernels(form).rows if not row.int8}
    assert float_rows <= {"Shape", "Gather", "Concat"}  # of an open image size
    (image,) = quant.quantized[form].graph.inputs
    assert not {use.node.op_type for use in image.uses()} & {"Cast", "DequantizeLinear"}
    expected, found = quant.reference[0], quant.outputs[form][0]
    error = np.abs(found - expected)
    border = np.ones(error.shape[-2:], bool)
    border[1:-1, 1:-1] = False
    assert sqnr(expected, found) > 30
    assert error[..., border].max() <= 1.5 * max(error[..., ~border].max(), np.abs(expected).max() / 255)


def test_gray_images_too() -> None:
    body = "s = Sub(f, half) n = Mul(s, scale)"
    result, _ = apply(fold_pixels, model(body, "N, 1, 6, 5", PAD, "gray"))
    assert result.changed == ("cast",)


def test_where_no_kernel_is_reached_only_the_means_ask_for_a_channel() -> None:
    _, new = apply(fold_pixels, model("s = Sub(f, whole) n = Mul(s, scale)", "N, 3, 6, 5", PAD, "few"))
    assert "Pad" not in ops(new)
    _, new = apply(fold_pixels, model(IMAGENET, "N, 6, 5, 3", PAD, "few"))
    assert ops(new)["Pad"] == 1


@pytest.mark.parametrize("tensor", ["f", "d", "n"])
def test_what_reads_a_shape_reads_that_of_the_pixels(tensor: str) -> None:
    text = f"""g (uint8[N, 6, 5, 3] x) => (float[N, 16, H, W] y, int64[4] s) {{
        [cast] f = Cast<to = 1>(x)
        d = Sub(f, mean)
        n = Transpose<perm = [0, 3, 1, 2]>(d)
        s = Shape({tensor})
        [first] y = Conv(n, w)
    }}"""
    result, new = apply(fold_pixels, parse(text, W))
    assert result.changed == ("cast",)
    assert "Cast" not in ops(new)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("r = Relu(f) n = Transpose<perm = [0, 3, 1, 2]>(r)", "Relu"),
        ("s = Sub(f, pixelwise) n = Transpose<perm = [0, 3, 1, 2]>(s)", "not one value a channel"),
        ("s = Mul(f, zero) n = Transpose<perm = [0, 3, 1, 2]>(s)", "by 0"),
        ("s = Div(one, f) n = Transpose<perm = [0, 3, 1, 2]>(s)", "not compute with a constant"),
        ("g1 = Gather<axis = 3>(f, twice) n = Transpose<perm = [0, 3, 1, 2]>(g1)", "does not reorder channels"),
        ("p = Shape<start = 1>(f) s = Sub(f, mean) n = Transpose<perm = [0, 3, 1, 2]>(s)", "reads a part of the shape"),
        ("s = Sub(f, f) n = Transpose<perm = [0, 3, 1, 2]>(s)", "has not one reader"),
    ],
)
def test_refuses(body: str, reason: str) -> None:
    image = {"x": np.random.default_rng(0).integers(1, 256, (1, 6, 5, 3)).astype(np.uint8)}
    assert reason in refusal(fold_pixels, model(body), "cast", image)
