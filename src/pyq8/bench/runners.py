"""The runtimes that a stopwatch can start: ONNX Runtime, and OpenVINO where it is installed."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pyq8.bench.inputs import InputSpec
from pyq8.errors import ModelError
from pyq8.runtime.sessions import Optimize, session
from pyq8.types import Feeds


class Runner(Protocol):
    """A loaded model.

    `specs` are its inputs; `runtime` is the package that runs it, and its version.
    """

    specs: tuple[InputSpec, ...]
    runtime: tuple[str, str]

    def prepare(self, inputs: Feeds) -> None:
        """Take the inputs of every call."""

    def run(self) -> None:
        """One call."""


class OnnxRunner:
    """ONNX Runtime, with the options of `pyq8.session`, further ones handed on to it; the file itself, no fallback."""

    def __init__(self, path: str, threads: int, **options: Any) -> None:
        import onnxruntime

        self.runtime = ("onnxruntime", onnxruntime.__version__)
        self.session = session(path, threads=threads, fallback=False, tell=False, **options)
        self.specs = tuple(InputSpec(i.name, _dtype(i.type), _open(i.shape)) for i in self.session.get_inputs())

    def prepare(self, inputs: Feeds) -> None:
        """Take the inputs of every call."""
        self._inputs = inputs

    def run(self) -> None:
        """One call."""
        self.session.run(None, self._inputs)


class OpenVinoRunner:
    """OpenVINO on the CPU for latency, what is not INT8 in FP32; reshaped to its inputs."""

    def __init__(self, path: str, threads: int) -> None:
        import openvino  # type: ignore[import-not-found,unused-ignore]  # not a dependency

        self.runtime = ("openvino", openvino.__version__.partition("-")[0])
        self._core, self._threads = openvino.Core(), threads
        try:
            self._model = self._core.read_model(path)
            self.specs = tuple(_port(port) for port in self._model.inputs)
        except Exception as error:  # openvino's exceptions share no base but this
            reason = re.sub(r"Exception from \S+ ", "", " ".join(str(error).split()))
            raise ModelError(f"{path}: openvino cannot load it: {reason[:200]}") from error

    def prepare(self, inputs: Feeds) -> None:
        """Reshape to the inputs of every call, and compile."""
        self._model.reshape({name: list(x.shape) for name, x in inputs.items()})
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._request = self._core.compile_model(self._model, "CPU", options).create_infer_request()
        self._inputs = inputs

    def run(self) -> None:
        """One call; the inputs are not copied, as ONNX Runtime does not either."""
        self._request.infer(self._inputs, share_inputs=True)


def is_openvino(path: str | os.PathLike[str]) -> bool:
    """Whether it is OpenVINO's form of a model: `NAME.xml`, with its weights beside it in `NAME.bin`."""
    return Path(path).suffix == ".xml"


def open_runner(path: str, threads: int, optimize: Optimize = "all") -> Runner:
    """Load a model with the runtime that its file is for; only ONNX Runtime knows levels of optimization.

    Raises:
        ModelError: it does not load.
    """
    return OpenVinoRunner(path, threads) if is_openvino(path) else OnnxRunner(path, threads, optimize=optimize)


def _dtype(kind: str) -> str:
    name = kind.removeprefix("tensor(").removesuffix(")")
    return "float32" if name == "float" else name  # the others are called as in NumPy


def _open(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(d if isinstance(d, int) and d > 0 else None for d in shape)


def _port(port: Any) -> InputSpec:
    """An input of an OpenVINO model; its batch is open, whatever the file says: `prepare` reshapes."""
    dims = [int(d.get_length()) if d.is_static else None for d in port.get_partial_shape()]
    dtype = np.dtype(port.get_element_type().to_dtype()).name
    return InputSpec(port.get_any_name(), dtype, (None, *dims[1:]) if dims else ())
