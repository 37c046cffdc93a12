"""Whether preparing a graph changed what it computes, on a real image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pyq8.errors import ModelError
from pyq8.loaders import Batch
from pyq8.model.intake import intake
from pyq8.model.parts import with_seeds
from pyq8.workers.runs import pieces, run_images

if TYPE_CHECKING:
    import onnx_ir as ir

EXACT = 1e-3
"""Relative difference between prepared and original model beyond which quantization stops. The passes are exact to
1e-5 (the tests hold them to it); a post-processing that selects may enlarge that."""


def check_exact(original: ir.Model, prepared: ir.Model, batch: Batch) -> None:
    """Run one image through both models.

    Raises:
        ModelError: an output of numbers differs by more than EXACT of its largest value.
    """
    from pyq8.runtime.sessions import model_session

    names = [v.name or "" for v in original.graph.outputs]
    taken = intake(original)
    feeds = next(pieces(batch, taken, [v.name or "" for v in original.graph.inputs])).feeds
    size = taken.size
    before, after = (run_images(model_session(with_seeds(m)), names, feeds, size, size) for m in (original, prepared))
    for name, a in before.items():
        b = after[name]
        if a.dtype.kind != "f" or a.size == 0:
            continue
        difference = float(np.max(np.abs(a - b))) if np.shape(a) == np.shape(b) else float("inf")
        if difference > EXACT * max(float(np.max(np.abs(a))), 1e-12):
            raise ModelError(
                f"output {name!r}: preparing the graph changed it by {difference:.3g}; "
                "this is a bug in pyq8, please report it with the model"
            )
