"""Where a model's time goes: by operator and by node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyq8.bench.child import run_alone
from pyq8.bench.region_layers import find_names
from pyq8.model.file import load, save
from pyq8.runtime.executed import find_executed, with_names

SLOWEST = 10
"""Nodes and operators that are printed; JSON has all."""


@dataclass(frozen=True)
class NodeTime:
    """One executed node.

    Args:
        name: in the file, or what ONNX Runtime calls a node that it made.
        op_type: the operator that ran.
        ms: milliseconds a call; the median over calls.
        output: the first value that the file's node computes, of a region's layer its name; "" for a node that ONNX
            Runtime made.
    """

    name: str
    op_type: str
    ms: float
    output: str = ""


@dataclass(frozen=True)
class Profile:
    """The executed nodes of one model, slowest first."""

    path: str
    batch: int
    threads: int
    calls: int
    nodes: tuple[NodeTime, ...]

    @property
    def ms(self) -> float:
        """Milliseconds of all nodes."""
        return sum(node.ms for node in self.nodes)

    def operators(self) -> list[tuple[str, int, float]]:
        """(operator, number of nodes, ms), slowest first."""
        count = Counter(node.op_type for node in self.nodes)
        times = sum_by((node.op_type, node.ms) for node in self.nodes)
        return [(op_type, count[op_type], ms) for op_type, ms in times.items()]

    @property
    def setting(self) -> str:
        """What it ran with."""
        return f"batch {self.batch}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def __str__(self) -> str:
        operators, whole = self.operators(), max(self.ms, 1e-9)
        rest = sum(ms for _, _, ms in operators[SLOWEST:])
        lines = [f"{self.path}, {self.setting}: {self.ms:.3f} ms in {len(self.nodes)} nodes"]
        lines += [f"  {ms:9.3f} ms {ms / whole:6.1%}  {name} ({count})" for name, count, ms in operators[:SLOWEST]]
        lines += [f"  {rest:9.3f} ms {rest / whole:6.1%}  {len(operators) - SLOWEST} others"] if rest else []
        lines += ["  slowest nodes", *(f"  {n.ms:9.3f} ms  {n.op_type} {n.name}" for n in self.nodes[:SLOWEST])]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Its fields; `operators` and `ms` follow from the nodes."""
        operators = [{"op_type": o, "nodes": count, "ms": ms} for o, count, ms in self.operators()]
        return {**asdict(self), "ms": self.ms, "operators": operators}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """The inverse of `to_json`."""
        nodes = tuple(NodeTime(**node) for node in data["nodes"])
        return cls(data["path"], data["batch"], data["threads"], data["calls"], nodes)


def profile_model(path: str, folder: str, **options: Any) -> Profile:
    """Profile an ONNX model in a process of its own.

    Args:
        path: of the model.
        folder: for files that are not kept.
        options: batch, threads, seconds and more, as for `pyq8.bench.stopwatch.profile`.

    Raises:
        ModelError: it does not load or run.
    """
    model = load(path, quantized=True)
    named = with_names(model)
    file = path
    if named is not model:
        file = str(Path(folder) / "named.onnx")
        save(named, file)
    answer = run_alone("profile", file, folder=folder, **options)
    nodes = [NodeTime(name, op_type, ms) for name, op_type, ms in answer["nodes"]]
    in_file = [node for graph in named.graphs() for node in graph]
    outputs = {node.name: node.outputs[0].name or "" for node in in_file if node.outputs}
    known = {runs.name: (name, outputs[name]) for name, runs in find_executed(in_file, nodes).items()}
    layers = (name.partition(" ")[2] for names in find_names(file).values() for name in names)
    known |= {name: (name, name) for name in layers if name}  # the node that it computes is in no file
    nodes = [NodeTime(known[n.name][0], n.op_type, n.ms, known[n.name][1]) if n.name in known else n for n in nodes]
    nodes.sort(key=lambda node: -node.ms)
    return Profile(path, options["batch"], options["threads"], answer["calls"], tuple(nodes))


def sum_by(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Key -> sum, largest first."""
    sums: dict[str, float] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0.0) + value
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
