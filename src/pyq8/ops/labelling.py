"""Nodes that are INT8 or FP32, the tensors between them, and the cheapest choice of all.

    cost = nodes + Quantize of every FP32 tensor that INT8 reads + Dequantize of every INT8 tensor that FP32 reads

A tensor is converted once, whoever reads it on the other side. The cheapest choice is a minimum cut between a source
(INT8) and a sink (FP32): see docs/explanation/placement.md.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from pyq8.ops.min_cut import Edge, sink_side


@dataclass(frozen=True)
class Tensor:
    """A tensor that nodes, given by index, write or read.

    Args:
        writer: the node that computes it, None for one that is FP32 in any case.
        readers: the nodes that read it.
        outside: whether FP32 reads it in any case.
        quantize: ns.
        dequantize: ns.
    """

    writer: int | None
    readers: tuple[int, ...]
    outside: bool
    quantize: int
    dequantize: int

    @property
    def nodes(self) -> frozenset[int]:
        """Its writer and its readers."""
        return frozenset(self.readers if self.writer is None else (self.writer, *self.readers))

    def conversion(self, floats: Set[int]) -> int:
        """ns to convert it where the nodes `floats` are FP32."""
        if self.writer is None or self.writer in floats:
            return self.quantize if not floats >= set(self.readers) else 0
        return self.dequantize if self.outside or not floats.isdisjoint(self.readers) else 0


@dataclass(frozen=True)
class Network:
    """What is chosen from.

    Args:
        nodes: ns in INT8 and in FP32; None stays INT8.
        tensors: between them.
        follows: (node, writer): a node that is INT8 only behind an INT8 writer.
    """

    nodes: tuple[tuple[int, int] | None, ...]
    tensors: tuple[Tensor, ...]
    follows: tuple[tuple[int, int], ...] = ()

    def cost(self, some: Set[int], floats: Set[int]) -> int:
        """ns of some nodes and of the tensors that they write or read, where the nodes `floats` are FP32."""
        nodes = sum(costs[i in floats] for i in some if (costs := self.nodes[i]) is not None)
        return nodes + sum(t.conversion(floats) for t in self.tensors if not t.nodes.isdisjoint(some))

    def cheapest(self, share: float = 1.0) -> set[int]:
        """The nodes that are FP32 in the cheapest choice; of equal ones, that with the fewest.

        Args:
            share: of its estimate that a node is taken to need in INT8.
        """
        count = len(self.nodes)
        source, sink, vertices = count, count + 1, count + 2
        never = 1 + sum(sum(costs) for costs in self.nodes if costs is not None)
        never += sum(t.quantize + t.dequantize for t in self.tensors)
        edges: list[Edge] = [(node, writer, never) for node, writer in self.follows]
        for i, costs in enumerate(self.nodes):
            int8, fp32 = (0, never) if costs is None else costs
            edges += [(source, i, fp32), (i, sink, round(share * int8))]
        for tensor in self.tensors:
            writer = sink if tensor.writer is None else tensor.writer
            to_int8, to_fp32 = vertices, vertices + 1
            vertices += 2
            edges += [(to_int8, writer, tensor.quantize), (writer, to_fp32, tensor.dequantize)]
            for reader in tensor.readers:
                edges += [(reader, to_int8, never), (to_fp32, reader, never)]
            if tensor.outside:
                edges.append((to_fp32, sink, never))
        return {i for i in sink_side(vertices, edges, source, sink) if i < count}

    def connected(self, nodes: Set[int]) -> list[set[int]]:
        """`nodes` in sets that share no tensor: the cost of one does not depend on the others."""
        parts = [{i} for i in sorted(nodes)]
        for tensor in self.tensors:
            meeting = [p for p in parts if not p.isdisjoint(tensor.nodes)]
            if len(meeting) > 1:
                parts = [p for p in parts if p not in meeting] + [set().union(*meeting)]
        return parts
