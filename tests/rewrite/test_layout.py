"""What ONNX Runtime's layout passes would break runs in a plain session, in both formats."""

from __future__ import annotations

import numpy as np
import pytest

from pyq8.metrics.sqnr import sqnr
from tests.small_models import FORMATS, Weights, between, executed, quantized

W: Weights = {
    "half": np.array([1, 1, 0.5, 0.5], np.float32),
    "twice": np.array([1, 1, 2, 2], np.float32),
    "sizes": np.array([1, 16, 9, 7]),
    "two": np.array([9, 24]),
}


@pytest.mark.parametrize("shape", ["1, 8, 12, 12", "N, 8, 12, 12"])
@pytest.mark.parametrize("opset", [13, 18, 25])
@pytest.mark.parametrize(
    "node",
    [
        'Resize<mode = "cubic">(a, , half)',
        'Resize<mode = "cubic">(a, , , sizes)',
        'Resize<mode = "cubic", axes = [2, 3], keep_aspect_ratio_policy = "not_larger">(a, , , two)',
        'Resize<mode = "linear", axes = [2, 3], keep_aspect_ratio_policy = "not_larger">(a, , , two)',
        'Resize<axes = [2, 3], keep_aspect_ratio_policy = "not_smaller">(a, , , two)',
    ],
)
def test_it_loads_and_runs(node: str, opset: int, shape: str) -> None:
    case = quantized(between(f"[n] b = {node}", W, max(opset, 18) if "axes" in node else opset, shape))

    for name in FORMATS:
        assert sqnr(case.reference[0], case.outputs[name][0]) > 25
        assert executed(case.quantized[name])["QLinearConv"] == 2


@pytest.mark.parametrize("node", ['Resize<mode = "cubic">(a, , twice)', 'Resize<mode = "linear">(a, , half)'])
def test_what_the_passes_do_not_break_gets_nothing_more(node: str) -> None:
    case = quantized(between(f"[n] b = {node}", W))

    for name in FORMATS:
        assert not [n for n in case.quantized[name].graph if n.op_type == "Reshape"]
        assert sqnr(case.reference[0], case.outputs[name][0]) > 25
