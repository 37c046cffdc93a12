"""Models of `--format pyq8` where pyq8's kernels are missing: what is said, and the QDQ twin that they name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pyq8.errors import ModelError

if TYPE_CHECKING:
    import onnx_ir as ir

FALLBACK = "pyq8.fallback"
"""Key of the metadata of a model with regions: its QDQ twin, relative to its folder."""
REGION = "pyq8", "Region"
"""The operator of pyq8's own INT8 kernels: domain, type."""


def find_fallback(metadata: Mapping[str, str], folder: Path | None) -> Path | None:
    """The twin, if it is there.

    Args:
        metadata: of the model.
        folder: of the model; None where it is in memory.
    """
    if folder is None or FALLBACK not in metadata:
        return None
    found = folder / metadata[FALLBACK]
    return found if found.is_file() else None


def needs(name: str, why: str) -> str:
    """What is wrong with the model `name` where the kernels are missing for the reason `why`."""
    return f"{name}: made with --format pyq8, which needs pyq8's kernels: {why}"


def refusal(name: str, metadata: Mapping[str, str], folder: Path | None, why: str) -> str:
    """The same with what to do; arguments as for `needs` and `find_fallback`."""
    twin = metadata.get(FALLBACK)
    if twin is None:
        return f"{needs(name, why)}; or quantize it with --fallback FILE"
    if folder is None or find_fallback(metadata, folder):
        return f"{needs(name, why)}; or take its fallback {(folder or Path()) / twin}"
    return f"{needs(name, why)}; its fallback {folder / twin} is not there"


def check_kernels(model: ir.Model, path: Path) -> None:
    """Refuse the model of a file that has regions where nothing can run them.

    Raises:
        ModelError: it names the file, and its fallback.
    """
    from pyq8.kernels import library

    if any((node.domain, node.op_type) == REGION for node in model.graph) and (why := library.load()[1]):
        raise ModelError(refusal(str(path), model.metadata_props, path.parent, why))
