"""What a quantized model returns, and every quantized tensor, against FP32: the worst layers are known by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pyq8 import affine
from pyq8.loaders import Batch
from pyq8.metrics.metric import Outputs
from pyq8.metrics.sqnr import decibel
from pyq8.model.intake import intake
from pyq8.model.parts import with_outputs, with_seeds
from pyq8.ops import SameAs, find_rule
from pyq8.types import Array, Plan
from pyq8.verify.accuracy import AccuracyReport, Tally, image_size, plain_row
from pyq8.verify.proof import Proof, run_file
from pyq8.workers.runs import pieces, rows_of, run_images

if TYPE_CHECKING:
    import onnx_ir as ir
    import onnxruntime


PIECE = 2**15
"""Values that are compared at once: what is made of them stays in the cache."""


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
    rule = find_rule(node)
    return rule is not None and isinstance(rule.output, SameAs)


def _pieces(array: Array) -> list[Array]:
    """Its values, in order, by PIECE."""
    return np.split(array.reshape(-1), range(PIECE, array.size, PIECE))


def compare(
    prepared: ir.Model,
    quantized: ir.Model,
    plan: Plan,
    batches: Iterable[Batch],
    progress: Callable[[int], None] | None = None,
    written: onnxruntime.InferenceSession | None = None,
) -> tuple[AccuracyReport, LayerReport]:
    """Run both models once, image by image, and compare what they return and every quantized tensor.

    The integer tensors are read, not dequantized ones, so that the INT8 kernels stay what they are.
    `progress` is called with the number of images done since the last call. `written` is a session of the very file:
    what is returned is then its outputs, proven to be what the plan computes.

    Raises:
        ModelError: the file does not run, or computes something else.
    """
    import onnx_ir as ir

    from pyq8.runtime.sessions import model_session

    computed = {v.name: n.name or "" for n in prepared.graph if not _moves(n) for v in n.outputs}
    integers = {v.name for n in quantized.graph for v in n.outputs if v.dtype == ir.DataType.UINT8}
    names = [n for n in plan.qparams if n in computed and f"{n}_quantized" in integers]
    outputs = [v.name or "" for v in prepared.graph.outputs]
    codes = [f"{n}_quantized" for n in names]
    reference = model_session(with_seeds(with_outputs(prepared, names)), spin=False)
    candidate = model_session(with_seeds(with_outputs(quantized, codes)), spin=False)
    inputs = [v.name or "" for v in prepared.graph.inputs]
    signal, noise = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)
    tally, proof = Tally(), Proof(prepared)
    taken = intake(prepared)
    size = taken.size

    def add_noise(name: str, ref: Array, q: Array) -> None:
        if np.shape(ref) == np.shape(q):
            for values, integers in zip(_pieces(ref), _pieces(q), strict=True):
                difference = affine.dequantize(integers, plan.qparams[name]) - values
                signal[name] += float(np.vdot(values, values))
                noise[name] += float(np.vdot(difference, difference))

    def compare_on(piece: Batch) -> None:
        feeds, count = piece.feeds, len(piece)
        expected = run_images(reference, list(dict.fromkeys(outputs + names)), feeds, size, count)
        found = run_images(candidate, list(dict.fromkeys(outputs + codes)), feeds, size, count, "the INT8 model")
        for name, code in zip(names, codes, strict=True):
            add_noise(name, expected[name], found[code])
        refs, outs = ({n: run[n] for n in outputs if n in run} for run in (expected, found))
        del expected, found
        if written is not None:
            planned, ran = outs, run_file(written, outputs, feeds)
            arrays = {n: rows_of(array, size, count) for n, array in zip(outputs, ran, strict=True)}
            arrays |= {n: planned[n] for n in proof.drawn & planned.keys()}
            outs = {n: array for n, array in arrays.items() if array is not None and n in refs}
            proof.add(refs, planned, outs)
        tally.add(Outputs(refs, outs, piece.labels, piece.names, image_size(taken.samples(feeds))))

    for piece in (p for batch in batches for p in pieces(batch, taken, inputs)):
        compare_on(piece)
        if progress is not None:
            progress(len(piece))
    proof.check()
    rows = [LayerRow(n, computed[n], float(decibel(signal[n], noise[n]))) for n in names if signal[n] + noise[n] > 0]
    accuracy = AccuracyReport(tuple(plain_row(*key, metric) for key, metric in tally.counted().items()), tally.samples)
    return accuracy, LayerReport(tuple(sorted(rows, key=lambda r: r.sqnr)), tally.samples)
