"""The plan of a quantized file is the one that it was made with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pyq8
from pyq8.model.file import load
from pyq8.plan.read import recover


@pytest.mark.parametrize(("format", "target"), [("qdq", "vnni"), ("qoperator", "avx2")])
def test_every_scale_comes_back(
    format: str, target: str, tmp_path: Path, digits_model: str, digits_images: str, digits_preprocess: str
) -> None:
    preprocess = pyq8.Preprocess.from_toml(digits_preprocess)
    made = pyq8.quantize(digits_model, digits_images, preprocess=preprocess, samples=8, format=format, target=target)
    made.save(tmp_path / "int8.onnx")

    prepared, passes, plan = recover(load(digits_model), load(tmp_path / "int8.onnx", quantized=True))

    constants = {name for name, v in prepared.graph.initializers.items() if v.const_value is not None}
    for name, qparams in made.plan.qparams.items():
        if name in plan.qparams:
            assert plan.qparams[name] == qparams, name
        else:
            assert name in constants and qparams.qtype.name == "uint8"  # what an integer Mul holds itself
    assert plan.int8_nodes == made.plan.int8_nodes and plan.float_nodes == dict(made.plan.float_nodes)
    assert passes == made.passes
    assert made.plan.channel_factors.keys() == plan.channel_factors.keys()
    for name, factors in made.plan.channel_factors.items():
        np.testing.assert_array_equal(plan.channel_factors[name], factors)
