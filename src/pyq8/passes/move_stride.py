"""Strides move up the graph (IntelCaffe's "remove sparsity"): what nobody reads is not computed.

Where every reader of x is a 1x1 convolution with stride s and no padding, only x[::s, ::s] is read:

    Conv1x1_s(x) = Conv1x1_1(x[::s, ::s])
    f(x)[::s, ::s] = f(x[::s, ::s])                    f elementwise
    (x + y)[::s, ::s] = x[::s, ::s] + y[::s, ::s]
    Conv_t(x)[::s, ::s] = Conv_(s t)(x)

So the strides of a ResNet v1 stage, whose two first convolutions share an input, end up at the last 3x3 convolution
of the stage before, and the identity branch gets a 1x1 max pooling of stride s, which only picks. Measured: see
docs/explanation/speed.md.
"""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import only_reader, static_ints
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each

ELEMENTWISE = ("Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish")
SAME_SHAPE = ("Add", "Mul")


def run(model: ir.Model) -> PassResult:
    """Move in place, convolution by convolution from the end, until none can move further."""
    changed: dict[str, None] = {}
    refused: dict[str, str] = {}
    while True:
        result = for_each(model, "move_stride", {"Conv"}, _move)
        refused = dict(result.refused)
        if not result.changed:
            return PassResult("move_stride", tuple(changed), refused)
        changed.update(dict.fromkeys(result.changed))


def _move(node: ir.Node) -> bool:
    strides = _picks(node)
    if strides is None:
        return False
    source = node.inputs[0]
    assert source is not None
    readers = [use.node for use in source.uses()]
    if source.is_graph_output() or any(_picks(r) != strides or r.inputs[0] is not source for r in readers):
        raise Refuse("others read every pixel of its input")
    if not _reaches_conv(source):
        raise Refuse("no convolution before it can take the stride")
    for reader in readers:
        reader.attributes["strides"] = ir.AttrInt64s("strides", [1] * len(strides))
    _subsample(source, strides)
    return True


def _picks(node: ir.Node) -> list[int] | None:
    """The strides of a 1x1 convolution that skips pixels; None for all other nodes."""
    weight = node.inputs[1] if node.op_type == "Conv" and not node.domain else None
    if weight is None or weight.shape is None or any(k != 1 for k in list(weight.shape)[2:]):
        return None
    spatial = len(weight.shape) - 2
    strides = static_ints(node, "strides", [1] * spatial)
    padded = any(static_ints(node, "pads", [0] * (2 * spatial)))
    if padded or node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or max(strides) == 1:
        return None
    return strides


def _takes(value: ir.Value) -> bool:
    """Whether the node that computes `value` can compute only some of its pixels."""
    producer = value.producer()
    if producer is None or producer.domain:
        return False
    if producer.op_type == "Conv":
        return producer.attributes.get_string("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    if producer.op_type in SAME_SHAPE:
        shapes = [v.shape for v in producer.inputs if v is not None]
        known = [s for s in shapes if s is not None and all(isinstance(d, int) for d in list(s)[2:])]
        return len(known) == 2 and len(known[0]) == len(known[1]) == 4 and list(known[0])[2:] == list(known[1])[2:]
    return producer.op_type in ELEMENTWISE


def _reaches_conv(value: ir.Value) -> bool:
    """Whether the stride gets somewhere: to a convolution that nothing else reads."""
    pending = [value]
    while pending:
        value = pending.pop()
        producer = value.producer()
        if producer is None or not _takes(value):
            continue
        if producer.op_type == "Conv":
            return True
        count = 2 if producer.op_type in SAME_SHAPE else 1
        pending += [v for v in producer.inputs[:count] if v is not None and only_reader(v) is not None]
    return False


def _subsample(value: ir.Value, strides: list[int]) -> None:
    """Make the producer of `value`, all of whose readers agree, compute only every strides-th pixel."""
    pending = [value]
    while pending:
        value = pending.pop()
        producer = value.producer()
        assert producer is not None
        value.shape = None
        if producer.op_type == "Conv":
            own = static_ints(producer, "strides", [1] * len(strides))
            total = [a * b for a, b in zip(own, strides, strict=True)]
            producer.attributes["strides"] = ir.AttrInt64s("strides", total)
            continue
        count = 2 if producer.op_type in SAME_SHAPE else 1
        for index, source in enumerate(producer.inputs[:count]):
            assert source is not None
            if only_reader(source) is not None and _takes(source):
                pending.append(source)
            else:
                producer.replace_input_with(index, _pick(source, strides, producer, index))


def _pick(source: ir.Value, strides: list[int], reader: ir.Node, index: int) -> ir.Value:
    """A 1x1 max pooling: source[::s, ::s]."""
    attributes = {"kernel_shape": [1] * len(strides), "strides": strides}
    pool = ir.node("MaxPool", [source], attributes, name=f"{reader.name}_pick{index}")
    (picked,) = pool.outputs
    picked.name, picked.type = f"{reader.name}_picked{index}", source.type
    assert reader.graph is not None
    reader.graph.insert_before(reader, pool)
    return picked
