"""From statistics and weights to scales and zero points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx_ir as ir

from pyq8 import affine
from pyq8.calibration.observers import OBSERVERS, Observer
from pyq8.calibration.observers.known import choose_known
from pyq8.errors import CalibrationError
from pyq8.ops import Fixed, OpRule, SameAs, find_rule
from pyq8.ops.placement import Placement
from pyq8.ops.stored import stored_qparams
from pyq8.plan.paired import paired_qparams
from pyq8.saturation import node_adds_pairs
from pyq8.stats import Calibration
from pyq8.types import INT8, PAIRED, UINT8, Array, Config, QParams


def activation_qparams(
    placement: Placement, calibration: Calibration, config: Config, known: Mapping[str, tuple[float, float]]
) -> dict[str, QParams]:
    """Parameters of every tensor that an INT8 node reads or writes, by name; one object for shared ones.

    Args:
        placement: what is INT8.
        calibration: the statistics.
        config: names the observer.
        known: tensor -> range, see `known_ranges`.
    """
    observer = OBSERVERS.get(config.observer)
    products = _masked(placement, calibration, observer, known)
    by_root: dict[str, QParams] = {}
    chosen: dict[str, QParams] = {}

    def assign(value: ir.Value) -> None:
        root = placement.scale_root(value)
        name, root_name = value.name or "", root.name or ""
        if root_name not in by_root:
            producer = root.producer()
            if producer is not None and placement.is_stored(root):
                by_root[root_name] = stored_qparams(producer)
            else:
                chooser = OBSERVERS.get("minmax") if root in products else observer
                by_root[root_name] = affine.choose_qparams(*_range(root, calibration, chooser, known), UINT8)
        chosen[name] = by_root[root_name]

    for value in quantized_tensors(placement):
        assign(value)
    return chosen


def quantized_tensors(placement: Placement) -> Iterator[ir.Value]:
    """Every tensor that an INT8 node reads or writes as integers, some of them twice."""
    for node in placement.int8:
        rule = find_rule(node)
        assert rule is not None
        for _, value in rule.activations(node):
            yield value
        if not writes_float(node, rule, placement):
            yield placement.output(node)
            if node.op_type == "Split":
                yield from node.outputs[1:]


def writes_float(node: ir.Node, rule: OpRule, placement: Placement) -> bool:
    """Whether an INT8 node hands on float32: its kernel can, and nothing INT8 reads it."""
    output = placement.output(node)
    absorbs = output is not node.outputs[0]
    return rule.float_output and not absorbs and not placement.quantized_readers(output)


def weight_qparams(placement: Placement, activations: Mapping[str, QParams], config: Config) -> dict[str, QParams]:
    """Symmetric per-channel parameters of every weight, coarse enough that no int32 bias clips.

    With PAIRED as `config.weight_type`, those of kernels that add pairs in 16 bits are such that no pair saturates.
    """
    floors: dict[str, list[Array]] = {}
    axes: dict[str, set[int]] = {}
    pairs: dict[str, set[int]] = {}
    weights: dict[str, ir.Value] = {}
    for node in placement.int8:
        rule = find_rule(node)
        if rule is None or rule.weight is None:
            continue
        weight, source = node.inputs[rule.weight], node.inputs[rule.inputs[0] if rule.inputs else 0]
        assert weight is not None and weight.name and source is not None
        weights[weight.name] = weight
        axes.setdefault(weight.name, set()).add(axis := rule.weight_axis(node))
        if config.weight_type is PAIRED and node_adds_pairs(node, weight):
            pairs.setdefault(weight.name, set()).add(axis)
        bias = node.inputs[rule.bias] if rule.bias is not None and len(node.inputs) > rule.bias else None
        if bias is not None and bias.const_value is not None:
            x_scale = float(activations[source.name or ""].scale)
            floor = affine.bias_floor(bias.const_value.numpy().reshape(-1), x_scale)
            floors.setdefault(weight.name, []).append(floor)
    chosen = {}
    whole = INT8 if config.weight_type is PAIRED else config.weight_type
    for name, weight in weights.items():
        assert weight.const_value is not None
        own = axes[name].pop() if len(axes[name]) == 1 else None  # one reader's rows are another's columns
        bounds = floors.get(name, [])
        lowest = np.max(bounds if own is not None else np.concatenate(bounds), axis=0) if bounds else None
        array = weight.const_value.numpy()
        chosen[name] = affine.choose_weight_qparams(array, own, whole, floor=lowest)
        if name in pairs:
            chosen[name] = paired_qparams(array, chosen[name], pairs[name])
    return chosen


def known_ranges(possible: Placement) -> dict[str, tuple[float, float]]:
    """Tensor -> (low, high) beyond which no value can be, whatever the image.

    Args:
        possible: where every node that can be INT8 is.
    """
    rules = ((node, find_rule(node)) for node in possible.int8)
    outputs = {node.outputs[0].name or "": rule.output for node, rule in rules if rule is not None}
    return {name: (output.low, output.high) for name, output in outputs.items() if isinstance(output, Fixed)}


def _masked(
    placement: Placement, calibration: Calibration, observer: Observer, known: Mapping[str, tuple[float, float]]
) -> set[ir.Value]:
    """Products with a mask: with what has a known range and hardly uses it, moved or scaled in between.

    Their few large values are what the mask picks out, and those of the next image may be larger still: no outliers.
    """
    products: set[ir.Value] = set()
    masks: set[ir.Value] = set()
    graph = placement.int8[0].graph if placement.int8 else None
    for node in graph or ():
        rule = find_rule(node)
        value = node.outputs[0]
        if (name := value.name or "") in known:
            if _range(value, calibration, observer, known) != known[name]:
                masks.add(value)
        elif rule is not None and not masks.isdisjoint(node.inputs):
            if isinstance(rule.output, SameAs):
                masks.update(node.outputs)
            elif node.op_type == "Mul":
                masks.add(value)
                products.add(value)
    return products


def _range(
    value: ir.Value, calibration: Calibration, observer: Observer, known: Mapping[str, tuple[float, float]]
) -> tuple[float, float]:
    """The range of a constant, of what was observed or is `Fixed`, or of the tensor whose values these are.

    Raises:
        CalibrationError: none of them.
    """
    source: ir.Value | None = value
    while source is not None:
        if source.const_value is not None:
            array = source.const_value.numpy()
            return float(array.min()), float(array.max())
        stats = calibration.stats.get(source.name or "")
        if (source.name or "") in known:
            fixed = known[source.name or ""]
            return choose_known(stats, UINT8, fixed, observer) if stats is not None else fixed
        if stats is not None and (stats.histogram is not None or not observer.needs_histogram):
            return observer.choose(stats, UINT8)
        producer = source.producer()
        rule = find_rule(producer)
        moves = rule is not None and isinstance(rule.output, SameAs)
        source = producer.inputs[rule.output.input] if moves else None  # type: ignore[union-attr]
    raise CalibrationError(f"tensor {value.name!r} was not observed; calibrate this model again")
