"""Bias correction: the mean of an output is what it is in FP32, for every kind of node with a bias."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8 import affine
from pyq8.metrics.sqnr import sqnr
from pyq8.types import Array, Config

from ..small_models import FORMATS, Case, Weights, parse, quantized, run

WIDE: Weights = {"w": (16, 4, 3, 3)}


def rounded(case: Case, shifted: bool) -> Case:
    """The FP32 model with its weights rounded as planned, and its biases shifted or not."""
    model = case.model.clone()
    for node in model.graph:
        weight, name = node.inputs[1], node.name or ""
        assert weight is not None and weight.name and weight.const_value is not None
        q = case.plan.qparams[weight.name]
        weight.const_value = ir.tensor(affine.dequantize(affine.quantize(weight.const_value.numpy(), q), q))
        if shifted:
            shift = case.plan.bias_shift[name]
            bias = ir.Value(name=f"{name}_shift", const_value=ir.tensor(shift))
            bias.type, bias.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(shift.shape)
            model.graph.register_initializer(bias)
            node.resize_inputs(3)
            node.replace_input_with(2, bias)
    return Case(model, case.calibration, case.plan, case.feeds)


def mean_error(case: Case, shifted: bool) -> Array:
    """What rounding the weights adds to the mean of every output channel."""
    (reference,), (found,) = case.reference, run(rounded(case, shifted).model, case.feeds)
    axes = tuple(i for i in range(reference.ndim) if i != 2)  # images, batch, channels, pixels
    return np.asarray(np.abs((found - reference).mean(axis=axes)))


@pytest.mark.parametrize(
    ("attributes", "weight", "size"),
    [
        ("strides = [1, 1]", (16, 8, 3, 3), "1, 8, 9, 9"),
        ("group = 4", (16, 2, 3, 3), "1, 8, 9, 9"),
        ("group = 8", (8, 1, 3, 3), "1, 8, 9, 9"),
        ("group = 2", (4, 4, 3), "1, 8, 9"),
    ],
)
def test_the_mean_is_kept(attributes: str, weight: tuple[int, ...], size: str) -> None:
    outputs = ", ".join("NCAB"[: len(weight)])
    text = f"g (float[{size}] x) => (float[{outputs}] y) {{ [n] y = Conv<{attributes}>(x, w) }}"

    case = quantized(parse(text, {"w": weight}))

    # without padding only the difference between border and inner pixels' means is left
    assert mean_error(case, True).max() < 0.35 * mean_error(case, False).max()


def test_padding_counts_as_pixels_of_the_mean() -> None:
    plain, padded = (
        quantized(
            parse(f"g (float[1, 4, 6, 5] x) => (float[N, C, H, W] y) {{ [n] y = Conv<{pads}>(x, w) }}", WIDE),
            feeds=[{"x": np.ones((1, 4, 6, 5), np.float32)}],
        )
        for pads in ("pads = [0, 0, 0, 0]", "pads = [1, 1, 1, 1]")
    )

    np.testing.assert_array_equal(plain.plan.bias_shift["n"], padded.plan.bias_shift["n"])
    assert mean_error(padded, True).max() < mean_error(padded, False).max()


def test_the_mean_is_exact_on_images_of_one_value_a_channel() -> None:
    image = np.broadcast_to(np.array([1, 2, -1, 0.5], np.float32).reshape(1, 4, 1, 1), (1, 4, 6, 5))
    text = "g (float[1, 4, 6, 5] x) => (float[N, C, H, W] y) { [n] y = Conv(x, w) }"

    case = quantized(parse(text, WIDE), feeds=[{"x": np.ascontiguousarray(image)}])

    assert mean_error(case, False).max() > 1e-4
    assert mean_error(case, True).max() < 1e-6


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(transposed: int) -> None:
    text = f"""g (float[1, 8, 4, 4] x) => (float[N, M] y) {{
        [conv] a = Conv(x, w1)  [flat] f = Flatten(a)  [n] y = Gemm<transB = {transposed}>(f, w, c)
    }}"""
    weights: Weights = {"w1": (16, 8, 1, 1), "w": (20, 256) if transposed else (256, 20), "c": (20,)}

    case = quantized(parse(text, weights))

    flat = case.calibration.stats["f"].channel_mean
    weight = case.model.graph.initializers["w"].const_value
    assert flat is not None and weight is not None
    w, q = weight.numpy().astype(np.float64), case.plan.qparams["w"]
    error = affine.dequantize(affine.quantize(weight.numpy(), q), q) - w
    expected = error @ flat.value if transposed else flat.value @ error
    np.testing.assert_allclose(case.plan.bias_shift["n"], -expected, rtol=1e-4, atol=1e-9)


def test_it_improves_the_quantized_model() -> None:
    text = """g (float[1, 8, 12, 12] x) => (float[N, C, H, W] y) {
        [one] a = Conv<pads = [1, 1, 1, 1]>(x, w1, b1)  [r] b = Relu(a)  [two] y = Conv<group = 16>(b, w2, b1)
    }"""
    weights: Weights = {"w1": (16, 8, 3, 3), "b1": np.full(16, 2, np.float32), "w2": (16, 1, 3, 3)}

    on, off = (quantized(parse(text, weights), Config(bias_correction=flag)) for flag in (True, False))

    assert set(on.plan.bias_shift) == {"one", "two"}
    assert dict(off.plan.bias_shift) == {}
    for name in FORMATS:
        assert sqnr(on.reference[0], on.outputs[name][0]) > sqnr(off.reference[0], off.outputs[name][0])
