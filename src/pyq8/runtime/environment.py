"""What a measurement rests on: the machine, the versions, the digests of the files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyq8 import cpu
from pyq8._version import __version__
from pyq8.types import Array

if TYPE_CHECKING:
    import onnx_ir as ir

    from pyq8.loaders import Batch


def environment() -> dict[str, Any]:
    """CPU, its INT8 instructions and the versions of what computes; plain JSON."""
    packages = ("onnxruntime", "onnx", "numpy")
    return {
        "cpu": cpu.describe(),
        "isa": sorted(cpu.isa()),
        "versions": {"pyq8": __version__, **{name: metadata.version(name) for name in packages}},
    }


def file_sha256(path: str | Path, model: ir.Model) -> str:
    """SHA-256 of a model file, as `sha256sum` prints it; with external data, of the file and those data in turn.

    Args:
        path: of the file.
        model: what was read from it.
    """
    digest = hashlib.sha256()
    for file in model_files(path, model):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def model_files(path: str | Path, model: ir.Model) -> list[Path]:
    """The model file, and behind it those of its external data in the order of their names.

    Args:
        path: of the file.
        model: what was read from it.
    """
    import onnx_ir as ir

    tensors = (v.const_value for graph in model.graphs() for v in graph.initializers.values())
    external = {Path(tensor.path) for tensor in tensors if isinstance(tensor, ir.ExternalTensor)}
    return [Path(path), *sorted(external)]


def model_bytes(path: str | Path, model: ir.Model | None = None) -> int:
    """Size of a model, its external data included.

    Args:
        path: of the file.
        model: what was read from it; None reads it, but not its external data.
    """
    import onnx_ir as ir

    return sum(file.stat().st_size for file in model_files(path, ir.load(path) if model is None else model))


class DataDigest:
    """A digest of a set of samples that does not depend on their order or batching."""

    def __init__(self) -> None:
        self._sum = 0

    def update(self, feeds: Mapping[str, Array]) -> int:
        """Add one sample, {input: array}, and return the 256 bits of its own digest."""
        digest = hashlib.sha256()
        for name in sorted(feeds):
            array = np.ascontiguousarray(feeds[name])
            digest.update(f"{name}:{array.dtype}:{array.shape}".encode())
            digest.update(array.tobytes())
        own = int.from_bytes(digest.digest(), "big")
        self._sum = (self._sum + own) % 2**256
        return own

    def hexdigest(self) -> str:
        """64 hex digits."""
        return f"{self._sum:064x}"


class BatchDigest:
    """A digest of images, labels and names, in order: the same one, and only then, for the same data.

    Args:
        more: digest of what else belongs to the data: annotations.
    """

    def __init__(self, more: str = "") -> None:
        self._digest = hashlib.sha256(more.encode())

    def update(self, batch: Batch) -> None:
        """Add the samples of a batch, one at a time: how they were batched does not matter."""
        for i, (label, name) in enumerate(zip(batch.labels, batch.names, strict=True)):
            self._digest.update(f"{name}:{label}".encode())
            for key in sorted(batch.feeds):
                array = np.ascontiguousarray(batch.feeds[key][i])
                self._digest.update(f"{key}:{array.dtype}:{array.shape}".encode())
                self._digest.update(array.tobytes())

    def hexdigest(self) -> str:
        """64 hex digits."""
        return self._digest.hexdigest()
