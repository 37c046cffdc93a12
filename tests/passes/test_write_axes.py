"""write_axes: Pad and Resize of some axes, exactly as before, and readable for ONNX Runtime's layout passes."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from pyq8.passes import write_axes
from tests.passes.equivalence import apply, refusal
from tests.small_models import Weights, between, parse, quantized, run

W: Weights = {
    "p": np.array([1, 2, 0, 3]),
    "axes": np.array([-1, 2]),
    "value": np.float32(0.5),
    "none": np.zeros(0, np.float32),
    "s": np.array([2.0, 0.5], np.float32),
    "z": np.array([7, 5]),
    "roi": np.array([0.1, 0.2, 0.8, 0.9], np.float32),
}


def _model(node: str, before: str = "") -> ir.Model:
    """`y` is computed by a node `n`, in front of a convolution, which every model has."""
    node = node.replace("'", '"')
    text = f"g (float[N,3,8,8] x) => (float[N,3,H,K] y) {{ {before} [n] b = {node} y = Conv(b, w) }}"
    return parse(text, {**W, "w": (3, 3, 1, 1)}, 19)


@pytest.mark.parametrize(
    "node",
    [
        "Pad(x, p, value, axes)",
        "Pad<mode = 'reflect'>(x, p, , axes)",
        "Pad<mode = 'edge'>(x, p, , axes)",
        "Resize<axes = [-1, 2], mode = 'linear'>(x, , s)",
        "Resize<axes = [3, 2]>(x, none, s)",
        "Resize<axes = [3, 2], mode = 'cubic'>(x, , , z)",
        "Resize<axes = [3, 2], mode = 'linear', coordinate_transformation_mode = 'tf_crop_and_resize'>(x, roi, , z)",
    ],
)
def test_the_axes_are_written_out(node: str) -> None:
    model = _model(node)

    result, new = apply(write_axes, model)

    assert result.changed == ("n",)
    (left,) = [n for n in new.graph if n.name == "n"]
    assert "axes" not in left.attributes and (left.op_type == "Resize" or left.inputs[3:] in ((), (None,)))


def test_computed_amounts_are_gathered() -> None:
    model = _model("Pad(x, q, , axes)", "q = Identity(p)")

    result, _ = apply(write_axes, model)

    assert result.changed == ("n",)


def test_what_keeps_the_aspect_ratio_of_its_axes_stays() -> None:
    model = _model("Resize<axes = [3, 2], keep_aspect_ratio_policy = 'not_larger'>(x, , , z)")

    assert "aspect ratio" in refusal(write_axes, model, "n")


@pytest.mark.parametrize("node", ['Pad<mode = "reflect">(a, p, , axes)', "Resize<axes = [-1, 2]>(a, , s)"])
def test_between_convolutions_it_runs_in_a_plain_session(node: str) -> None:
    from pyq8.passes import prepare

    model = between(f"[n] b = {node}", W, 18)
    case = quantized(prepare(model).model)

    for name in case.quantized:
        np.testing.assert_allclose(run(model, case.feeds)[0], case.outputs[name][0], atol=0.4)
