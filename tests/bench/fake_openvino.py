"""A package `openvino` for the tests, which must not need the real one. Its models double what they are given.

It is read by child processes too, from the folder that `install` writes it to, and checks what pyq8 asks for.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

SOURCE = """
import numpy as np

__version__ = "2099.1.0-abc"


class Dimension:
    is_static = False

    def __init__(self, length):
        self.is_static, self._length = length > 0, length

    def get_length(self):
        return self._length


class Port:
    def get_any_name(self):
        return "image"

    def get_partial_shape(self):
        return [Dimension(1), Dimension(3), Dimension(-1), Dimension(-1)]

    def get_element_type(self):
        return self

    def to_dtype(self):
        return np.dtype("float32")


class Model:
    inputs = (Port(),)

    def reshape(self, shapes):
        self.shape = shapes["image"]
        if self.shape[0] > 8:
            raise RuntimeError("Exception from x.cpp:1:\\ncannot be reshaped")


class Request:
    def __init__(self, model):
        self.model = model

    def infer(self, inputs, share_inputs):
        assert share_inputs and list(inputs["image"].shape) == self.model.shape
        return {"y": 2 * inputs["image"]}


class Core:
    def read_model(self, path):
        if "broken" in path:
            raise RuntimeError("Exception from core.cpp:84:\\nUnable to read the model")
        return Model()

    def compile_model(self, model, device, options):
        assert device == "CPU" and options["INFERENCE_PRECISION_HINT"] == "f32"
        assert options["PERFORMANCE_HINT"] == "LATENCY" and options["INFERENCE_NUM_THREADS"] >= 1
        self.model = model
        return self

    def create_infer_request(self):
        return Request(self.model)
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it importable here and in children."""
    (folder / "openvino.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    importlib.invalidate_caches()
