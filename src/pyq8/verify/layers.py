"""SQNR of every quantized tensor against FP32, so that the worst layers are known by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyq8 import affine
from pyq8.inference import batch_size, single, with_outputs
from pyq8.metrics.sqnr import decibel
from pyq8.ops import SameAs, find_rule
from pyq8.types import Feeds, Plan

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class LayerRow:
    """One quantized tensor.

    Args:
        tensor: its name.
        node: the node that computes it.
        sqnr: dB over all elements of all images; what happened before it included.
    """

    tensor: str
    node: str
    sqnr: float


@dataclass(frozen=True)
class LayerReport:
    """The quantized tensors, worst first."""

    rows: tuple[LayerRow, ...]
    samples: int

    def __str__(self) -> str:
        return "\n".join(f"{r.sqnr:6.1f} dB  {r.node}" for r in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts."""
        return {"samples": self.samples, "rows": [asdict(r) for r in self.rows]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> LayerReport:
        """The inverse of `to_json`."""
        return cls(tuple(LayerRow(**row) for row in data["rows"]), data["samples"])


def _moves(node: ir.Node) -> bool:
    """Whether its output holds values that another node computed: they would be listed twice."""
    rule = find_rule(node.op_type, node.domain)
    return rule is not None and isinstance(rule.output, SameAs)


def compare_layers(
    prepared: ir.Model,
    quantized: ir.Model,
    plan: Plan,
    batches: Iterable[Feeds],
    progress: Callable[[int], None] | None = None,
) -> LayerReport:
    """Run both models with every quantized tensor as an output; one image at a time.

    The integer tensors are read, not dequantized ones, so that the INT8 kernels stay what they are.
    `progress` is called with the number of images done since the last call.
    """
    import onnx_ir as ir

    from pyq8.sessions import model_session

    computed = {v.name: n.name or "" for n in prepared.graph if not _moves(n) for v in n.outputs}
    integers = {v.name for n in quantized.graph for v in n.outputs if v.dtype == ir.DataType.UINT8}
    names = [n for n in plan.qparams if n in computed and f"{n}_quantized" in integers]
    reference = model_session(with_outputs(prepared, names), spin=False)
    candidate = model_session(with_outputs(quantized, [f"{n}_quantized" for n in names]), spin=False)
    inputs = {v.name for v in prepared.graph.inputs}
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    samples = 0
    for feeds, count in single(batches, batch_size(prepared)):
        feeds = {k: v for k, v in feeds.items() if k in inputs}
        samples += count
        expected = reference.run(names, feeds)
        found = candidate.run([f"{n}_quantized" for n in names], feeds)
        for name, ref, q in zip(names, expected, found, strict=True):
            if np.shape(ref) == np.shape(q):
                difference = affine.dequantize(q, plan.qparams[name]) - ref
                signal[name] += float(np.vdot(ref, ref))
                noise[name] += float(np.vdot(difference, difference))
        if progress is not None:
            progress(count)
    rows = [LayerRow(n, computed[n], float(decibel(signal[n], noise[n]))) for n in names if signal[n] + noise[n] > 0]
    return LayerReport(tuple(sorted(rows, key=lambda r: r.sqnr)), samples)
