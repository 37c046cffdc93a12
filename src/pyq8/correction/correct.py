"""Correct a plan: weights rounded for what their layer reads, biases shifted by what INT8 did before them.

Layers are corrected in graph order, a few in one pass over the images. Each sees its input as the quantized model, so
far corrected, computes it, and its bias takes out what is wrong with the mean of that input:

    shift = W E[x] - W' E[x']

x is the input in FP32, x' in INT8, W' the rounded weight. A layer behind another of the same pass corrects its own
rounding only, (W - W') E[x]: else both would correct the same error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from pyq8 import cpu
from pyq8.correction.effort import Effort
from pyq8.correction.matrix import WeightMatrix
from pyq8.correction.moments import InputMoments, Seen
from pyq8.correction.relay import CarryOut, Relay
from pyq8.correction.rounding import round_rows
from pyq8.graph_edit import behind, constant
from pyq8.model.parts import outputs_only
from pyq8.ops import find_rule
from pyq8.runtime.sessions import run
from pyq8.types import PAIRED, Array, Feeds, Plan
from pyq8.workers.spread import Sessions, spread

MOMENT_BYTES = 2**27
"""Of the covariances that one pass over the images may hold; one layer always may."""


@dataclass(frozen=True)
class Layer:
    """An INT8 node whose weight nothing else reads.

    Args:
        node: the node.
        source: its input.
        weight: name of its weight.
        matrix: the weight, float32.
        has_bias: whether it has a place for a bias.
    """

    node: ir.Node
    source: ir.Value
    weight: str
    matrix: WeightMatrix
    has_bias: bool

    @property
    def moment_bytes(self) -> int:
        """Of the covariance of its input."""
        groups, _, count = self.matrix.rows.shape
        return int(4 * groups * count * count)


def correct(
    model: ir.Model,
    plan: Plan,
    images: Callable[[], Iterable[Feeds]],
    effort: Effort,
    carry_out: CarryOut,
    *,
    shift_bias: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """The plan with codes for the weights and shifts for the biases of its layers.

    Args:
        model: prepared, the one that the plan is for.
        plan: ranges and placement; they stay.
        images: gives the same images, one a batch, every time it is called.
        effort: how many layers in a pass, and from how many pixels.
        carry_out: makes a quantized model of a model and a plan.
        shift_bias: whether to shift biases.
        progress: called with the number of layers done since the last call.

    Raises:
        ModelError: ONNX Runtime cannot run the model.
    """
    layers = find_layers(model, plan)
    if not layers:
        return plan
    expected = _means(model, layers, images) if shift_bias else {}
    left = layers
    with Relay(model, images(), carry_out) as relay:
        for chunk in _passes(layers, effort.layers):
            moments = _observe(relay, plan, chunk, left, effort.pixels)
            left = left[len(chunk) :]
            codes, shifts = dict(plan.codes), dict(plan.bias_shift)
            followers = behind(model.graph, [layer.node for layer in chunk])
            with ThreadPoolExecutor(cpu.share()) as pool:
                rounded = list(pool.map(partial(_round, plan), chunk, moments))
            for layer, seen, (found, scale) in zip(chunk, moments, rounded, strict=True):
                rows = layer.matrix.rows
                codes[layer.weight] = layer.matrix.restore(found)
                if shift_bias and layer.has_bias:
                    name = layer.node.name or ""
                    before = seen.mean if layer.node in followers else expected[name]
                    shifts[name] = (_dot(rows, before) - _dot(found * scale, seen.mean)).astype(np.float32)
            plan = replace(plan, codes=codes, bias_shift=shifts)
            if progress is not None:
                progress(len(chunk))
    return plan


def _round(plan: Plan, layer: Layer, seen: InputMoments) -> tuple[Array, Array]:
    """The codes of a layer's rows, and their scales, float64 [G, O, 1]."""
    qparams, rows = plan.qparams[layer.weight], layer.matrix.rows
    scale = np.broadcast_to(qparams.scale.astype(np.float64).reshape(-1), (rows.shape[0] * rows.shape[1],))
    scale = scale.reshape(*rows.shape[:2], 1)
    laid = layer.matrix.laid_out() if qparams.qtype is PAIRED else None
    return round_rows(rows / scale, seen.covariance(), qparams.qtype.qmax, laid=laid), scale


def find_layers(model: ir.Model, plan: Plan) -> list[Layer]:
    """The layers that can be corrected, in graph order."""
    inside = set(plan.int8_nodes)
    layers = []
    for node in model.graph:
        rule = find_rule(node)
        if node.name not in inside or rule is None or rule.weight is None:
            continue
        weight, source = node.inputs[rule.weight], node.inputs[0]
        assert weight is not None and source is not None and weight.name
        array = constant(weight)
        if array is None or len(weight.uses()) != 1:
            continue
        matrix = WeightMatrix.of(node, array, rule.weight_axis(node))
        if matrix is not None:
            layers.append(Layer(node, source, weight.name, matrix, rule.bias is not None))
    return layers


def _passes(layers: list[Layer], most: int) -> Iterator[list[Layer]]:
    chunk: list[Layer] = []
    size = 0
    for layer in layers:
        if chunk and (len(chunk) == most or size + layer.moment_bytes > MOMENT_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(layer)
        size += layer.moment_bytes
    if chunk:
        yield chunk


def _dot(rows: Array, patch: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """rows . patch, float64 (O,)."""
    return np.asarray(np.einsum("gok,gk->go", rows, patch).reshape(-1))


def _means(
    model: ir.Model, layers: list[Layer], images: Callable[[], Iterable[Feeds]]
) -> dict[str, npt.NDArray[np.float64]]:
    """Layer -> mean patch of its input in FP32, float64 [G, K]."""
    names = list(dict.fromkeys(layer.source.name or "" for layer in layers))

    def look(sessions: Sessions, feeds: Feeds) -> list[list[npt.NDArray[np.float64]]]:
        fed = {v.name for v in sessions[0].get_inputs()}
        found = run(sessions[0], names, {name: array for name, array in feeds.items() if name in fed})
        arrays = dict(zip(names, found, strict=True))
        return [[layer.matrix.mean_patch(arrays[layer.source.name or ""]) for layer in layers]]

    sums = [np.zeros(()) for _ in layers]
    count = 0
    for _, seen in spread(None, [outputs_only(model, names)], look, ((None, feeds) for feeds in images())):
        for means in seen:
            count += 1
            sums = [total + mean for total, mean in zip(sums, means, strict=True)]
    return {layer.node.name or "": total / count for layer, total in zip(layers, sums, strict=True)}


def _observe(relay: Relay, plan: Plan, chunk: list[Layer], left: list[Layer], pixels: int) -> list[InputMoments]:
    """Moments of the inputs of these layers as the quantized model computes them."""
    names = [layer.source.name or "" for layer in chunk]
    moments = [InputMoments(layer.matrix, plan.qparams[name], pixels) for layer, name in zip(chunk, names, strict=True)]

    def look(number: int, arrays: dict[str, Array]) -> list[Seen]:
        return [each.look(arrays[name], number) for each, name in zip(moments, names, strict=True)]

    with ThreadPoolExecutor(cpu.share()) as pool:
        for seen in relay.run(plan, names, [layer.node for layer in left], look):
            for each, layer_seen in zip(moments, seen, strict=True):
                each.add(layer_seen)
            full = [(each, patches) for each in moments if (patches := each.take()) is not None]
            parts = range(cpu.share())
            work = [pool.submit(each.multiply, patches, i, len(parts)) for each, patches in full for i in parts]
            for future in work:
                future.result()
    return moments
