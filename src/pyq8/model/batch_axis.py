"""Which inputs of a model have a batch axis: an axis 0 along which it computes sample after sample, each alone.

A convolution reads [N, C, ...], so what stands at axis 0 in front of the first ones is the batch: the axis 0 of an
input that lands elsewhere, on frames or on channels, is part of the sample. Where no convolution says it (sizes,
weights and biases fed as inputs, whatever goes through a Reshape of unknown sizes), lengths do: inputs whose fixed
first axes differ cannot count the same samples. Where nothing speaks against it, axis 0 is the batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

WHOLE = "pyq8.whole_inputs"
"""Key of a quantized model's metadata: names of its inputs without a batch axis, where it has any."""
CONVOLUTIONS = frozenset("Conv ConvTranspose ConvInteger QLinearConv".split())


def is_whole(value: ir.Value) -> bool:
    """Whether `mark_whole` found that an input has no batch axis."""
    return WHOLE in value.meta


def mark_whole(model: ir.Model) -> None:
    """Mark the inputs without a batch axis; copies of the model keep the marks, files do not."""
    whole = find_whole(model)
    for value in model.graph.inputs:
        if value.name in whole:
            value.meta[WHOLE] = True


def remember(model: ir.Model) -> dict[str, str]:
    """What a quantized model's metadata says of it; nothing where every input has a batch axis."""
    whole = sorted(v.name or "" for v in model.graph.inputs if is_whole(v))
    return {WHOLE: json.dumps(whole)} if whole else {}


def find_whole(model: ir.Model) -> frozenset[str]:
    """Names of the inputs without a batch axis.

    Args:
        model: FP32; or quantized, which then remembers it.
    """
    if WHOLE in model.metadata_props:
        return frozenset(json.loads(model.metadata_props[WHOLE]))
    lengths = {v.name or "": _first(v) for v in model.graph.inputs if not v.is_initializer() and v.shape is not None}
    open_or_many = [name for name, length in lengths.items() if length not in (0, 1)]
    seen = _in_front_of_convolutions(model, open_or_many)
    known = {_dim(dim) for v in model.graph.inputs for dim in v.shape or ()} - {None}
    votes = {name: _vote(name, lengths[name], seen.get(name, ()), known) for name in open_or_many}
    batched = {lengths[n] for n, vote in votes.items() if vote is True} | {n for n in lengths.values() if n == 1}
    refused = any(vote is False for vote in votes.values())
    unsure = {n: lengths[n] for n, vote in votes.items() if vote is None}
    if not batched and not refused:
        several = set(unsure.values())
        batched = several if len(several) == 1 else several & {None}
    whole = {name for name, length in lengths.items() if length == 0 or votes.get(name) is False}
    whole |= {n for n, length in unsure.items() if length not in batched and (length is not None or refused)}
    if whole:  # then a run takes one sample, and a batch of fixed size is one
        whole |= {name for name, length in lengths.items() if length is not None and length > 1}
    return frozenset(whole)


def _first(value: ir.Value) -> int | None:
    """The length of axis 0; 0 where there is none, None where it is open."""
    assert value.shape is not None
    if len(value.shape) == 0:
        return 0
    length = value.shape[0]
    return length if isinstance(length, int) and length > 0 else None


def _symbol(name: str) -> str:
    return f"samples of {name}"


def _dim(dim: int | ir.SymbolicDim) -> int | str | None:
    return dim if isinstance(dim, int) else dim.value


def _vote(name: str, length: int | None, shapes: Iterable[ir.Shape], known: Set[int | str | None]) -> bool | None:
    """Whether axis 0 is the batch of the convolutions in front of which these shapes are; None for unknown.

    A batch of 1 in front of an axis of which nobody knows where its length comes from: from this axis 0.
    """
    votes: list[bool | None] = []
    for shape in shapes:
        dims = [_dim(dim) for dim in shape]
        if length is not None:
            found = True if dims[0] == length else False if isinstance(dims[0], int) and dims[0] % length else None
        elif dims[0] == _symbol(name):
            found = True
        else:
            unknown = any(not isinstance(dim, int) and dim not in known for dim in dims)
            elsewhere = _symbol(name) in dims or (dims[0] == 1 and unknown)
            found = False if elsewhere else None
        votes.append(found)
    return True if True in votes else False if False in votes else None


def _in_front_of_convolutions(model: ir.Model, names: Iterable[str]) -> dict[str, list[ir.Shape]]:
    """Input -> the shapes in which its values reach the first convolutions; open axes 0 have names of their own."""
    from pyq8.graph_edit import reads

    reached: dict[ir.Value, frozenset[str]] = {v: frozenset([v.name or ""]) for v in model.graph.inputs}
    fronts: dict[str, frozenset[str]] = {}
    wanted = set(names)
    found: dict[str, list[ir.Shape]] = {}
    for node in model.graph:
        first = node.inputs[0] if node.inputs else None
        if node.op_type in CONVOLUTIONS:
            source = reached.get(first, frozenset()) & wanted if first is not None else frozenset()
            if source and first is not None:
                fronts[first.name or ""] = source
            continue
        sources = frozenset[str]().union(*(reached.get(v, frozenset()) for v in reads(node)))
        if sources:
            reached.update(dict.fromkeys(node.outputs, sources))
    shapes = _infer(model, fronts) if fronts else {}
    for front, sources in fronts.items():
        for name in sources:
            if shapes.get(front) is not None and len(shapes[front]) > 0:
                found.setdefault(name, []).append(shapes[front])
    return found


def _infer(model: ir.Model, names: Iterable[str]) -> dict[str, ir.Shape]:
    """Name -> shape of tensors of which nothing but the inputs' shapes is believed."""
    from pyq8.model.parts import between
    from pyq8.model.shapes import infer_shapes

    shapes = {v.name or "": _named(v) for v in model.graph.inputs if v.shape is not None}
    computed = [name for name in names if name not in shapes]
    if computed:
        part = between(model, shapes, computed)
        for value in part.graph.inputs:
            value.shape = shapes[value.name or ""]
        for value in (v for node in part.graph for v in node.outputs):
            value.shape = None
        infer_shapes(part)
        shapes |= {v.name or "": v.shape for node in part.graph for v in node.outputs if v.shape is not None}
    return shapes


def _named(value: ir.Value) -> ir.Shape:
    """The shape of an input, an open axis 0 under a name of its own."""
    import onnx_ir as ir

    assert value.shape is not None
    dims = list(value.shape)
    if dims and not isinstance(dims[0], int):
        return ir.Shape([_symbol(value.name or ""), *dims[1:]])
    return value.shape
