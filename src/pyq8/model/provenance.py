"""What a quantized model file remembers of how it was made, in its metadata."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pyq8._version import __version__
from pyq8.loaders import Loader, Preprocess
from pyq8.model.pixel_input import KEY, PixelInput
from pyq8.stats import Calibration
from pyq8.types import PAIRED, Config, Plan

if TYPE_CHECKING:
    import onnx_ir as ir


VERSION, FLOAT_NODES, FACTORS = "pyq8.version", "pyq8.float_nodes", "pyq8.channel_factors"
"""Keys of the metadata: what follows from pyq8 and from the plan, not from the images."""


def remembered_preprocess(model: ir.Model) -> Preprocess | None:
    """The preprocessing that a quantized model was calibrated with."""
    text = model.metadata_props.get("pyq8.preprocess")
    return Preprocess.from_json(json.loads(text)) if text else None


def remembered_reasons(model: ir.Model) -> dict[str, str]:
    """Node name -> why it stayed FP32, as the quantized model remembers it."""
    groups = json.loads(model.metadata_props.get(FLOAT_NODES, "{}"))
    return {name: reason for reason, names in groups.items() for name in names}


def remembered_factors(model: ir.Model) -> dict[str, npt.NDArray[np.float32]]:
    """Tensor name -> what its channels were scaled by before the model was quantized (equalization)."""
    bundles = json.loads(model.metadata_props.get(FACTORS, "[]"))
    arrays = [(names, np.frombuffer(base64.b64decode(text), "<f4")) for names, text in bundles]
    return {name: array for names, array in arrays for name in names}


def of_plan(plan: Plan) -> dict[str, str]:
    """What of the metadata follows from the plan; `remembered_reasons` and `remembered_factors` read it back.

    Reason -> names of the nodes that stay FP32 for it; and for each list of tensors with the same channel factors
    [names, their float32 in base64], where there are any.
    """
    groups: dict[str, list[str]] = {}
    for name, reason in plan.float_nodes.items():
        groups.setdefault(reason, []).append(name)
    bundles: dict[bytes, list[str]] = {}
    for name, factors in plan.channel_factors.items():
        bundles.setdefault(factors.astype("<f4").tobytes(), []).append(name)
    found = {FLOAT_NODES: json.dumps(groups)}
    if bundles:
        found[FACTORS] = json.dumps([[names, base64.b64encode(raw).decode()] for raw, names in bundles.items()])
    return found


def provenance(
    config: Config, calibration: Calibration, plan: Plan, loader: Loader, pixels: PixelInput | None = None
) -> dict[str, str]:
    """What the model file remembers of how it was made."""
    found = {
        VERSION: __version__,
        "pyq8.observer": config.observer,
        "pyq8.target": "avx2" if config.weight_type is PAIRED else "vnni",
        "pyq8.bias_correction": str(config.bias_correction).lower(),
        "pyq8.placement": config.placement,
        "pyq8.effort": config.effort,
        "pyq8.samples": str(calibration.samples),
        "pyq8.data_sha256": calibration.data_sha256,
        "pyq8.model_sha256": calibration.model_sha256,
        **of_plan(plan),
    }
    if loader.preprocess is not None:
        found["pyq8.preprocess"] = json.dumps(loader.preprocess.preprocess.to_json())
    if pixels is not None:
        found[KEY] = json.dumps(pixels.to_json())
    return found
