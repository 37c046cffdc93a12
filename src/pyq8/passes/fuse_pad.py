"""A Pad with zeros before a Conv becomes part of the Conv's own, possibly asymmetric, padding."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import constant, set_input, static_ints
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each


def run(model: ir.Model) -> PassResult:
    """Fuse in place. A Pad that several Convs read is fused into each."""
    return for_each(model, "fuse_pad", {"Pad"}, _fuse)


def _fuse(node: ir.Node) -> bool:
    padded, source = node.outputs[0], node.inputs[0]
    readers = [use.node for use in padded.uses()]
    if not readers or any(use.node.op_type != "Conv" or use.node.domain or use.idx for use in padded.uses()):
        raise Refuse("something other than a Conv reads it")
    if padded.is_graph_output():
        raise Refuse("it is an output of the model")
    before, after = _amounts(node)
    if min(*before, *after) < 0:
        raise Refuse("it crops")
    totals = [[p + q for p, q in zip(_own(reader), before + after, strict=True)] for reader in readers]
    for reader, total in zip(readers, totals, strict=True):
        reader.attributes.pop("auto_pad", None)
        reader.attributes["pads"] = ir.AttrInt64s("pads", total)
        set_input(reader, 0, source)
    assert node.graph is not None
    node.graph.remove(node, safe=True)
    return True


def _own(reader: ir.Node) -> list[int]:
    """The padding of a Conv, all begins, then all ends.

    Raises:
        Refuse: it depends on the size of the image.
    """
    if reader.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise Refuse(f"{reader.name!r} pads automatically")
    weight = reader.inputs[1]
    assert weight is not None and weight.shape is not None  # _amounts asked for it
    return static_ints(reader, "pads", [0] * (2 * (len(weight.shape) - 2)))


def _amounts(node: ir.Node) -> tuple[list[int], list[int]]:
    """Zeros before and after each spatial axis.

    Raises:
        Refuse: the Pad is of another mode or value, not constant, or touches batch or channels.
    """
    mode = node.attributes.get_string("mode", "constant")
    if mode != "constant":
        raise Refuse(f"its mode is {mode}")
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        value = constant(node.inputs[2])
        if value is None or value.any():
            raise Refuse("it pads with another value than 0")
    pads = constant(node.inputs[1])
    if pads is None:
        raise Refuse("its amounts are not constant")
    kernels = [r.inputs[1].shape if r.inputs[1] is not None else None for r in node.outputs[0].consumers()]
    ranks = {None if kernel is None else len(kernel) for kernel in kernels}
    rank = ranks.pop()
    if rank is None or ranks:
        raise Refuse("the weight behind it has no known rank")
    axes = list(range(rank))
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        given = constant(node.inputs[3])
        if given is None:
            raise Refuse("its axes are not constant")
        axes = [int(a) for a in given]
    before, after = [0] * rank, [0] * rank
    for i, axis in enumerate(axes):
        before[axis], after[axis] = int(pads[i]), int(pads[i + len(axes)])
    if any(before[:2]) or any(after[:2]):
        raise Refuse("it pads batch or channels")
    return before[2:], after[2:]
