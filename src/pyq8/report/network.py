"""The network from input to output: what runs every node, how long, and how well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from pyq8.bench.comparison import Comparison
from pyq8.report.lanes import Row, lay_out
from pyq8.report.steps import find_steps
from pyq8.runtime.executed import with_names
from pyq8.verify.kernels import KernelReport, KernelRow

if TYPE_CHECKING:
    import onnx_ir as ir

FOLDED = 6
"""FP32 nodes in a row, for one reason, that share a line to open."""
MARKED = 3
"""Nodes with the lowest SQNR, which are marked whatever it is."""


@dataclass(frozen=True)
class Line:
    """One node of the quantized file, or of a region in it.

    Args:
        kernel: see `pyq8.verify.kernels`.
        tensor: that it writes; its name without "_quantized", "" where it is not known.
        shape: of that tensor, as far as it is known; "" where it is not.
        row: its place beside the others.
        sqnr: of what it writes as integers, dB; None where it does not, or only moves values.
        worst: whether few nodes have a lower one.
        fp32_ms: of the same node in the FP32 model; None where it is not found there.
        int8_ms: None where no node of its own runs.
        share: of the time of all nodes, 0..1.
    """

    kernel: KernelRow
    tensor: str
    shape: str
    row: Row
    sqnr: float | None
    worst: bool
    fp32_ms: float | None
    int8_ms: float | None
    share: float

    @property
    def runs(self) -> str:
        """The kernel, as briefly as can be."""
        return self.kernel.kernel.rpartition(".")[2]


@dataclass(frozen=True)
class Network:
    """All nodes.

    Args:
        inputs: name and shape of each.
        blocks: runs of lines; a run of FOLDED or more FP32 nodes with one reason is a block of its own.
        outputs: name and shape of each.
        lanes: how many are drawn.
    """

    inputs: tuple[str, ...]
    blocks: tuple[tuple[Line, ...], ...]
    outputs: tuple[str, ...]
    lanes: int

    @property
    def lines(self) -> tuple[Line, ...]:
        """Of all blocks."""
        return tuple(line for block in self.blocks for line in block)

    @property
    def timed(self) -> bool:
        """Whether times are known."""
        return any(line.int8_ms is not None for line in self.lines)

    @property
    def judged(self) -> bool:
        """Whether the SQNR of nodes is known."""
        return any(line.sqnr is not None for line in self.lines)


def find_network(
    quantized: ir.Model,
    kernels: KernelReport,
    sqnr: Mapping[str, float],
    times: Comparison | None,
    plain: ir.Model | None = None,
) -> Network:
    """Lines in graph order, those of a region in its place; Q and DQ are no nodes but the form of others.

    Args:
        quantized: the model.
        kernels: of it.
        sqnr: tensor -> dB.
        times: of both models.
        plain: has the nodes of regions, under their names, and the tensors that they write.
    """
    model = with_names(quantized)
    known = {row.node: row for row in kernels.rows}
    inside = {node.name or "": node for node in plain.graph} if plain is not None else {}
    steps = find_steps(model.graph, known)
    rows = lay_out([sorted(step.reads) for step in steps])
    ours = {node.name: node.ms for node in times.other.nodes if node.output} if times else {}
    theirs = {after.name: before.ms for before, after in times.nodes} if times else {}
    whole = times.other.ms if times else 1.0
    lowest = sorted(sqnr.values())[:MARKED]
    lines = []
    for step, row in zip(steps, rows, strict=True):
        name, node = step.name, step.node or inside.get(step.name)
        tensor = _tensor(node) if node is not None else ""
        db, ms = sqnr.get(tensor), ours.get(name)
        lines.append(
            Line(
                known[name],
                tensor,
                _shape(node.outputs[0], 1) if node is not None else "",
                row,
                db,
                db is not None and db in lowest,
                theirs.get(name),
                ms,
                (ms or 0.0) / (whole or 1.0),
            )
        )
    ends = tuple(_describe(v) for v in model.graph.inputs), tuple(_describe(v) for v in model.graph.outputs)
    return Network(
        ends[0], _fold(lines), ends[1], 1 + max((lane for r in rows for lane in (r.lane, *r.through)), default=0)
    )


def _tensor(node: ir.Node) -> str:
    """The float tensor that its output, or the Q behind it, stands for."""
    output = node.outputs[0]
    for reader in (use.node for use in output.uses()):
        if reader.op_type == "QuantizeLinear":
            output = reader.outputs[0]
    return (output.name or "").removesuffix("_quantized")


def _shape(value: ir.Value, first: int = 0) -> str:
    dims = list(value.shape.dims)[first:] if value.shape is not None else []
    return "x".join(str(d) if isinstance(d, int) else "?" for d in dims)


def _describe(value: ir.Value) -> str:
    dtype = value.dtype.numpy().name if value.dtype is not None else ""
    return f"{value.name} {dtype} {_shape(value)}".strip()


def _fold(lines: list[Line]) -> tuple[tuple[Line, ...], ...]:
    blocks: list[tuple[Line, ...]] = []
    for reason, group in groupby(lines, lambda line: "" if line.kernel.int8 else line.kernel.reason):
        block = tuple(group)
        if blocks and (not reason or len(block) < FOLDED) and not is_folded(blocks[-1]):
            blocks[-1] += block
        else:
            blocks.append(block)
    return tuple(blocks)


def is_folded(block: tuple[Line, ...]) -> bool:
    """Whether it is shown as one line."""
    first = block[0].kernel
    return len(block) >= FOLDED and all(not x.kernel.int8 and x.kernel.reason == first.reason for x in block)
