"""Which nodes that can compute in INT8 stay FP32 because that is faster, the conversions around them included."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from pyq8.graph_edit import shape_readers
from pyq8.ops import OpRule, find_rule
from pyq8.ops.cost import Estimate, conversions, estimate, size, table_cost
from pyq8.ops.labelling import Network, Tensor
from pyq8.ops.placement import Placement
from pyq8.ops.tables import tables_of
from pyq8.registry import Registry

SHARE = 0.8
"""Of its estimate that a node is taken to need in INT8: estimates are rough, so FP32 must win clearly."""
LEAST_SHARE, LEAST = 0.01, 50_000
"""What leaving nodes that hang together in FP32 must gain: this share of the model's estimate, and this many ns."""

PLACEMENTS: Registry[Callable[[Placement], dict[str, str]]] = Registry("placement")
"""Name -> which INT8 nodes of a placement by operator stay FP32 nevertheless: node name -> why."""


@PLACEMENTS.register("all")
def leave_none(_: Placement) -> dict[str, str]:
    """INT8 wherever there is a kernel."""
    return {}


@PLACEMENTS.register("cost")
def leave_slow(placement: Placement) -> dict[str, str]:
    """Those that are estimated clearly faster in FP32; a node of unknown cost stays INT8."""
    estimates = [estimate(n, _rule(n)) for n in placement.int8]
    network = make_network(placement, estimates)
    reasons: dict[str, str] = {}
    least = max(LEAST, LEAST_SHARE * sum(e.int8 for e in estimates if e is not None))
    names = [[node.name or ""] for node in placement.int8]
    names += [[node.name or "" for node in table.nodes] for table in tables_of(placement)]
    for together in network.connected(network.cheapest(SHARE)):
        int8, fp32 = network.cost(together, set()), network.cost(together, together)
        if int8 - fp32 < least:
            continue
        for i in sorted(together):
            found = estimates[i] if i < len(estimates) else None
            reasons.update(dict.fromkeys(names[i], _reason(found, int8 / fp32)))
    return reasons


def _reason(found: Estimate | None, ratio: float) -> str:
    if found is None or found.fp32 >= found.int8:
        return "cost: its neighbours are FP32"
    cause = f" ({found.cause})" if found.cause else ""
    return f"cost: FP32 is estimated {ratio:.1f} times as fast here{cause}"


def make_network(placement: Placement, estimates: Sequence[Estimate | None]) -> Network:
    """The INT8 nodes of a placement, in its order, then its tables; what each costs, and the tensors between them."""
    index = {node: i for i, node in enumerate(placement.int8)}
    writers: dict[ir.Value, int | None] = {}
    follows = []
    for node, i in index.items():
        rule = _rule(node)
        inputs = [v for _, v in rule.activations(node) if v.const_value is None]
        for value in inputs:
            writers.setdefault(value, None)
        writers.update(dict.fromkeys((placement.output(node), *node.outputs[1:]), i))
        writer = writers[inputs[0]] if inputs else None
        if rule.weight is None and len(inputs) == 1 and writer is not None:
            follows.append((i, writer))
    costs = [None if e is None else (e.int8, e.fp32) for e in estimates]
    readers: dict[ir.Value, list[int]] = {}
    for table in tables_of(placement):
        costs.append(table_cost(table.source, len(table.nodes)))
        readers.setdefault(table.source, []).append(len(costs) - 1)
        writers.setdefault(table.source, None)
        writers.update(dict.fromkeys(table.results, len(costs) - 1))
        if (writer := writers[table.source]) is not None:
            follows.append((len(costs) - 1, writer))
    known = {v: writer for v, writer in writers.items() if size(v) is not None}
    tensors = [_tensor(placement, index, v, writer, readers.get(v, [])) for v, writer in known.items()]
    return Network(tuple(costs), tuple(tensors), tuple(follows))


def _tensor(
    placement: Placement, index: dict[ir.Node, int], value: ir.Value, writer: int | None, tables: list[int]
) -> Tensor:
    inside = placement.quantized_readers(value)
    others = {u.node for u in value.uses() if not placement.is_table(u.node)} - {*inside, *shape_readers(value)}
    quantize, dequantize = conversions(value)
    readers = tuple(dict.fromkeys([*(index[node] for node in inside), *tables]))
    return Tensor(writer, readers, bool(others) or value.is_graph_output(), quantize, dequantize)


def _rule(node: ir.Node) -> OpRule:
    rule = find_rule(node)
    assert rule is not None
    return rule
