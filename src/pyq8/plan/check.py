"""Whether the numbers of an edited plan can be: every tensor, shape and range is looked at."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8 import affine
from pyq8.graph_edit import constant
from pyq8.ops import OpRule, find_rule
from pyq8.ops.placement import Placement, place
from pyq8.saturation import LIMIT, kernel_order, node_adds_pairs, unsafe
from pyq8.types import INT7, INT8, PAIRED, UINT8, Plan, QParams


class MisfitError(Exception):
    """An entry that does not fit; the message names it."""


def check_tensors(plan: Plan, model: ir.Model) -> None:
    """Hold parameters, integers and bias shifts against the tensors and nodes of the model.

    Raises:
        MisfitError: names the first entry that does not fit.
    """
    graph = model.graph
    values = {v.name or "": v for vs in (graph.inputs, graph.initializers.values()) for v in vs}
    values |= {v.name or "": v for node in graph for v in node.outputs}
    readers = weight_readers(place(model))
    for name, qparams in plan.qparams.items():
        if name not in values:
            raise MisfitError(f"qparams {name!r}: the model has no such tensor; delete the line")
        _check_scale(name, qparams)
        if name in readers:
            _check_weight(name, qparams, values[name], readers[name])
        elif qparams.qtype is not UINT8 or qparams.axis is not None:
            raise MisfitError(f"qparams {name!r}: an activation is uint8 with one scale, without an axis")
    for name, codes in plan.codes.items():
        array = constant(values.get(name))
        if array is None or name not in readers or name not in plan.qparams:
            raise MisfitError(f"codes {name!r}: no such weight with qparams; delete the line")
        qtype = plan.qparams[name].qtype
        if codes.shape != array.shape:
            raise MisfitError(f"codes {name!r}: shape {codes.shape}, the weight has {array.shape}; delete the line")
        if codes.min(initial=0) < qtype.qmin or codes.max(initial=0) > qtype.qmax:
            raise MisfitError(f"codes {name!r}: beyond {qtype.qmin}..{qtype.qmax} of {qtype.name}; delete the line")
    nodes = {node.name or "": (node, rule) for pairs in readers.values() for node, rule in pairs}
    for name, shift in plan.bias_shift.items():
        node, rule = nodes.get(name, (None, None))
        if node is None or rule is None or rule.weight is None or rule.bias is None:
            raise MisfitError(f"bias_shift {name!r}: no INT8 node with a bias is called so; delete the line")
        weight = constant(node.inputs[rule.weight])
        channels = 0 if weight is None else weight.shape[rule.weight_axis(node)]
        if shift.size != channels:
            raise MisfitError(f"bias_shift {name!r}: {shift.size} values for {channels} channels; delete the line")


def check_pairs(plan: Plan, model: ir.Model, *, every: bool) -> None:
    """Hold the integers of weights against what a CPU without VNNI adds in 16 bits.

    Args:
        plan: fits the model but for this.
        model: prepared.
        every: whether no weight may saturate; else those of type int8_paired may not.

    Raises:
        MisfitError: two weights of one sign that the kernel pairs add up to more than LIMIT.
    """
    for name, readers in weight_readers(place(model, (), plan.float_nodes)).items():
        value, qparams = model.graph.initializers[name], plan.qparams[name]
        array = constant(value)
        if array is None or not (every or qparams.qtype is PAIRED):
            continue
        codes = plan.codes.get(name)
        section = "qparams" if codes is None else "codes"
        codes = affine.quantize(array, qparams) if codes is None else codes
        for axis in {rule.weight_axis(node) for node, rule in readers if node_adds_pairs(node, value)}:
            bad = np.flatnonzero(unsafe(kernel_order(codes, axis)).any(axis=1))
            if bad.size:
                raise MisfitError(
                    f"{section} {name!r}: two weights of output channel {bad[0]} that AVX2 adds in 16 bits are beyond "
                    f"{LIMIT} together; raise its scale, or write the plan again with --save-plan"
                )


def weight_readers(possible: Placement) -> dict[str, list[tuple[ir.Node, OpRule]]]:
    """Weight -> the nodes that can multiply by it in INT8."""
    found: dict[str, list[tuple[ir.Node, OpRule]]] = {}
    for node in possible.int8:
        rule = find_rule(node)
        weight = node.inputs[rule.weight] if rule is not None and rule.weight is not None else None
        if rule is not None and weight is not None:
            found.setdefault(weight.name or "", []).append((node, rule))
    return found


def _check_scale(name: str, qparams: QParams) -> None:
    scale, low, high = qparams.scale, affine.SMALLEST_SCALE, affine.LARGEST_SCALE
    if not scale.size or np.any(scale < low) or np.any(scale > high):
        worst = scale.ravel()[int(np.argmax((scale.ravel() < low) | (scale.ravel() > high)))] if scale.size else "none"
        raise MisfitError(f"qparams {name!r}: scale {worst}, not one of {low:.3g} to {high:.3g}")
    qtype, points = qparams.qtype, qparams.zero_point
    if np.any(points < qtype.qmin) or np.any(points > qtype.qmax):
        raise MisfitError(f"qparams {name!r}: zero_point beyond {qtype.qmin}..{qtype.qmax} of {qtype.name}")


def _check_weight(name: str, qparams: QParams, value: ir.Value, readers: list[tuple[ir.Node, OpRule]]) -> None:
    if qparams.qtype not in (INT8, PAIRED, INT7) or qparams.zero_point.any():
        raise MisfitError(f"qparams {name!r}: a weight is int8 or int8_paired with zero_point 0")
    array = constant(value)
    axes = {rule.weight_axis(node) for node, rule in readers}
    axis = qparams.axis
    if axis is None or array is None:
        return
    if axes != {axis}:
        raise MisfitError(
            f"qparams {name!r}: axis {axis}, the output channels lie along {', '.join(map(str, sorted(axes)))}"
        )
    if qparams.scale.size != array.shape[axis]:
        raise MisfitError(f"qparams {name!r}: {qparams.scale.size} scales for {array.shape[axis]} channels")
