"""Cross-layer equalization: every channel of a tensor gets to use the tensor's 256 levels.

One scale serves all channels of a tensor, and a channel that reaches a hundredth of the tensor's largest value has two
or three levels. Scaling the channels of a bundle (see `channels`) changes nothing in FP32; with

    s_c = (R / r_c)^STRENGTH, at most LARGEST,      r_c = max |x_c| over the bundle's tensors, R = max_c r_c

the rounding error of channel c, in the units it had, becomes s_c times smaller, and the range of the tensor stays. In
the next weight the factor costs: column c is divided by s_c, so that the columns of a row differ more. Nagel et al.
(Data-Free Quantization, 2019) weigh two weights against each other so, with a square root; here it is an activation
against a weight, whose rounding `rounding` makes up for, so that more is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8.correction.channels import find_bundles
from pyq8.graph_edit import constant, is_depthwise, static_int
from pyq8.model.parts import outputs_only
from pyq8.runtime.sessions import run
from pyq8.types import Array, Feeds
from pyq8.workers.spread import Sessions, spread

STRENGTH = 0.85
LARGEST = 16.0
ENOUGH = 50
"""Images; of fewer, the largest values say less of other images, and factors made of them clip those."""

Factors = dict[str, npt.NDArray[np.float32]]
"""Tensor -> factor of every channel, float32 (C,)."""


def find_factors(
    model: ir.Model, batches: Iterable[Feeds], images: int = ENOUGH, executor: Executor | None = None
) -> Factors:
    """The factors of every tensor that can be scaled.

    Args:
        model: prepared.
        batches: all calibration images: one that exceeds the largest value seen is clipped.
        images: how many they are.
        executor: where they are computed; see `spread`.

    Raises:
        ModelError: ONNX Runtime cannot run the model.
    """
    bundles = find_bundles(model.graph)
    if not bundles:
        return {}
    strength = STRENGTH * min(1.0, images / ENOUGH)
    seen = {b.values[0]: [v for v in b.values if not _read_by_relu_alone(v)] for b in bundles}
    peaks = _peaks(model, [v.name or "" for values in seen.values() for v in values], batches, executor)
    factors: Factors = {}
    for bundle in bundles:
        peak = np.max([peaks[v.name or ""] for v in seen[bundle.values[0]]], axis=0)
        largest = float(peak.max())
        if not 0 < largest < np.inf:
            continue
        ratio = largest / np.maximum(peak, largest / LARGEST ** (1 / strength))
        found = (ratio**strength).astype(np.float32)
        factors.update({v.name or "": found for v in bundle.values})
    return factors


def equalize(model: ir.Model, factors: Mapping[str, npt.NDArray[np.float32]]) -> ir.Model:
    """The model with the channels of these tensors scaled: the same function, other weights.

    Args:
        model: prepared; not changed.
        factors: from `find_factors` of the same model.
    """
    model = model.clone()
    for node in model.graph:
        source, output = node.inputs[0] if node.inputs else None, node.outputs[0]
        if node.op_type not in ("Conv", "Gemm") or node.domain != "":
            continue
        taken = factors.get(source.name or "") if source is not None else None
        given = factors.get(output.name or "")
        if taken is None and given is None:
            continue
        weight = constant(node.inputs[1])
        assert weight is not None
        rows = 0 if node.op_type == "Conv" or static_int(node, "transB", 0) else 1
        columns = 0 if node.op_type == "Conv" and is_depthwise(node) else 1 - rows
        scaled = weight.astype(np.float64)
        if taken is not None:
            scaled = scaled / _along(taken, columns, weight.ndim)
        if given is not None:
            scaled = scaled * _along(given, rows, weight.ndim)
            bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
            if bias is not None:
                _replace(node.inputs[2], (bias * given).astype(np.float32))
        _replace(node.inputs[1], scaled.astype(np.float32))
    return model


def _replace(value: ir.Value | None, array: Array) -> None:
    assert value is not None
    value.const_value = ir.tensor(array, name=value.name)


def _along(factors: Array, axis: int, rank: int) -> Array:
    return factors.astype(np.float64).reshape([-1 if i == axis else 1 for i in range(rank)])


def _read_by_relu_alone(value: ir.Value) -> bool:
    """Whether a ReLU is all that reads it: the producer's saturation computes that, and negative values are gone."""
    return [use.node.op_type for use in value.uses()] == ["Relu"]


def _peaks(model: ir.Model, names: list[str], batches: Iterable[Feeds], executor: Executor | None) -> dict[str, Array]:
    """max |x_c| of every tensor, float64 (C,)."""
    inputs = {v.name for v in model.graph.inputs}
    items = ((None, {k: v for k, v in feeds.items() if k in inputs}) for feeds in batches)
    peaks: list[Array] = []
    for _, found in spread(executor, [outputs_only(model, names)], partial(_peak, names), items, _larger):
        peaks = _larger(peaks, found) if peaks else found
    return dict(zip(names, peaks, strict=True))


def _peak(names: list[str], sessions: Sessions, feeds: Feeds) -> list[Array]:
    peaks = []
    for array in run(sessions[0], names, feeds):
        axes = tuple(i for i in range(array.ndim) if i != 1)
        peaks.append(np.maximum(array.max(axis=axes), -array.min(axis=axes)).astype(np.float64))
    return peaks


def _larger(first: list[Array], second: list[Array]) -> list[Array]:
    return [np.maximum(a, b) for a, b in zip(first, second, strict=True)]
