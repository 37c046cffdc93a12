"""The nodes of a graph and of the regions in it, one after the other, and what each of them reads."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyq8.graph_edit import reads
from pyq8.model.fallback import REGION
from pyq8.rewrite.region.spec import TO_FLOAT, Kind, Layer, Tensor

if TYPE_CHECKING:
    import onnx_ir as ir

Sources = frozenset[int]
"""Indices of the steps that a value comes from."""


@dataclass(frozen=True)
class Step:
    """One node.

    Args:
        name: of the node.
        node: in the graph; None where a region computes it.
        reads: the indices of the steps that it reads from, through nodes that are no steps.
    """

    name: str
    node: ir.Node | None
    reads: Sources


def find_steps(graph: ir.Graph, named: Container[str]) -> list[Step]:
    """In graph order; those of a region stand in its place.

    Args:
        graph: of a quantized model.
        named: the names of the nodes that are steps; readers look through all others.
    """
    return _Walk(named).walk(graph)


class _Walk:
    def __init__(self, named: Container[str]) -> None:
        self.named = named
        self.steps: dict[str, Step] = {}
        self.index: dict[str, int] = {}

    def walk(self, graph: ir.Graph) -> list[Step]:
        written: dict[ir.Value, Sources] = {}
        for node in graph:
            before = [written.get(value, Sources()) for value in reads(node)]
            if (node.domain, node.op_type) == REGION:
                after = self._region(node, before)
            else:
                after = [self._step(node.name or "", Sources().union(*before), node)] * len(node.outputs)
            written.update(zip(node.outputs, after, strict=True))
        return list(self.steps.values())

    def _region(self, region: ir.Node, before: Sequence[Sources]) -> list[Sources]:
        """Sources of its outputs from those of its inputs, the constants first."""
        tensors = [Tensor(*n) for n in _numbers(region, "tensors", 4)]
        layers = [Layer(*n) for n in _numbers(region, "layers", 20)]
        written = [Sources()] * len(tensors)
        outputs = [Sources()] * len(region.outputs)
        for layer, names in zip(layers, region.attributes["names"].as_strings(), strict=True):
            enters = layer.kind == Kind.QUANTIZE
            found = before[1 + layer.x] if enters else written[layer.x]
            more = Sources() if enters or layer.other < 0 else written[layer.other]
            *first, last = [line.partition(" ")[2] for line in names.splitlines()] or [""]
            for name in first:
                found = self._step(name, found)
            found = self._step(last, found | more)
            if layer.kind == Kind.DEQUANTIZE or (layer.kind == Kind.CONV and layer.mode == TO_FLOAT):
                outputs[layer.y] = found
                continue
            for tensor in _with_parents(tensors, layer.y):
                written[tensor] |= found
        return outputs

    def _step(self, name: str, sources: Sources, node: ir.Node | None = None) -> Sources:
        """What comes out of a node: itself, if it is a step. Several layers may compute one."""
        if name not in self.named:
            return sources
        index = self.index.setdefault(name, len(self.index))
        before = self.steps[name].reads if name in self.steps else Sources()
        self.steps[name] = Step(name, node, before | sources)
        return Sources([index])


def _numbers(region: ir.Node, attribute: str, each: int) -> Iterator[Sequence[int]]:
    numbers = region.attributes[attribute].as_ints()
    return (numbers[i : i + each] for i in range(0, len(numbers), each))


def _with_parents(tensors: Sequence[Tensor], tensor: int) -> Iterator[int]:
    while tensor >= 0:
        yield tensor
        tensor = tensors[tensor].parent
