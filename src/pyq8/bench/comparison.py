"""Two profiles side by side: by family of operators, and node by node where nodes can be told to be the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyq8.bench.profile import SLOWEST, NodeTime, Profile, sum_by

FAMILIES = {
    "Conv": "Conv ConvInteger ConvTranspose",
    "MatMul": "Gemm QGemm MatMul MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul",
    "Pool": "MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean",
    "Quantize": "QuantizeLinear DequantizeLinear DynamicQuantizeLinear",
    "Layout": "Transpose ReorderInput ReorderOutput",
}
"""Family -> its operators, without the prefixes of fused and integer forms. Any other operator is its own."""
_FAMILY = {op_type: family for family, members in FAMILIES.items() for op_type in members.split()}


@dataclass(frozen=True)
class Comparison:
    """What the first model's operators and nodes cost in another model.

    Args:
        first: the yardstick, FP32 as a rule.
        other: of the same batch and threads.
    """

    first: Profile
    other: Profile

    @cached_property
    def families(self) -> list[tuple[str, float, float]]:
        """(family, ms of the first, ms of the other), the other's slowest first."""
        before, after = (sum_by((family(n.op_type), n.ms) for n in p.nodes) for p in (self.first, self.other))
        return [(name, before.get(name, 0.0), after.get(name, 0.0)) for name in {**after, **before}]

    @cached_property
    def nodes(self) -> list[tuple[NodeTime, NodeTime]]:
        """The same node of both, the other's slowest first: by its name in the file, else by what it computes."""
        by_name = {_key(n.name, "_quant"): n for n in self.first.nodes if n.output}
        by_output = {_key(n.output, "_quantized"): n for n in self.first.nodes if n.output}
        pairs, taken = [], set()
        for node in self.other.nodes:
            same = by_name.get(_key(node.name, "_quant")) or by_output.get(_key(node.output, "_quantized"))
            if node.output and same is not None and same.name not in taken:
                pairs.append((same, node))
                taken.add(same.name)
        return pairs

    @property
    def unmatched(self) -> tuple[float, float]:
        """Milliseconds of the first's and of the other's nodes that have no partner."""
        first, other = (sum(pair[i].ms for pair in self.nodes) for i in (0, 1))
        return max(0.0, self.first.ms - first), max(0.0, self.other.ms - other)

    def __str__(self) -> str:
        a, b = self.first, self.other
        lines = [f"{b.path} beside {a.path}, {b.setting}", _line("operators", "first ms", "ms", "speedup")]
        lines += [_times(*times) for times in (*shorten(self.families), ("all", a.ms, b.ms))]
        lines += [_line("slowest nodes", "first ms", "ms", "speedup")]
        lines += [_times(node.name, before.ms, node.ms) for before, node in self.nodes[:SLOWEST]]
        before, after = self.unmatched
        lines += [
            f"  {len(self.nodes)} nodes are in both; no partner: {before:.3f} ms of the first, {after:.3f} ms here"
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts; the profiles themselves are not repeated."""
        return {
            "first": self.first.path,
            "path": self.other.path,
            "batch": self.other.batch,
            "threads": self.other.threads,
            "families": [{"family": f, "first_ms": before, "ms": after} for f, before, after in self.families],
            "nodes": [{"name": n.name, "first_ms": before.ms, "ms": n.ms} for before, n in self.nodes],
            "unmatched_first_ms": self.unmatched[0],
            "unmatched_ms": self.unmatched[1],
        }


def shorten(times: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """The first SLOWEST; what follows is added up."""
    rest = times[SLOWEST:]
    others = [(f"{len(rest)} others", sum(r[1] for r in rest), sum(r[2] for r in rest))] if rest else []
    return times[:SLOWEST] + others


def family(op_type: str) -> str:
    """What the FP32, fused and integer forms of an operator have in common."""
    plain = re.sub(r"^(QLinear|Nhwc|Fused)+", "", op_type)
    return _FAMILY.get(plain, plain)


def _key(name: str, suffix: str) -> str:
    """Without what ONNX Runtime's own quantizer appends in QOperator form."""
    return name.removesuffix(suffix)


def _line(name: str, before: str, after: str, speedup: str) -> str:
    return f"  {before:>10} {after:>10} {speedup:>8}  {name}"


def _times(name: str, before: float, after: float) -> str:
    speedup = f"{before / after:.2f}x" if before and after else "-"
    return _line(name, f"{before:.3f}", f"{after:.3f}", speedup)
