"""Every image as far as the corrected layers have brought it, on disk: no pass begins again at the first layer.

Between two passes the graph is cut where all that is before is final: behind the last layer that was corrected and
before the first that was not, shortcuts included. The next pass starts from the tensors at the cut: the codes of what
INT8 nodes computed, and the values of everything else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, TypeVar

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from pyq8 import affine
from pyq8.files import scratch
from pyq8.graph_edit import behind, reads
from pyq8.model.parts import between
from pyq8.runtime.sessions import run
from pyq8.types import Array, Feeds, Plan, QParams
from pyq8.workers.spread import Sessions, spread

CarryOut = Callable[[ir.Model, Plan], ir.Model]
T = TypeVar("T")


class Relay:
    """Brings images through a network, pass by pass: one a core in memory, the others in a nameless temporary file.

    Args:
        model: prepared.
        images: the model's inputs, image by image.
        carry_out: makes a quantized model of a model and a plan.

    Raises:
        OutputError: the disk is full.
    """

    def __init__(self, model: ir.Model, images: Iterable[Feeds], carry_out: CarryOut) -> None:
        self._model = model
        self._carry_out = carry_out
        self._images = images
        self._held = [v.name or "" for v in model.graph.inputs]
        self._file = _temporary()
        self._count = 0

    def __enter__(self) -> Relay:
        try:
            for feeds in self._images:
                self._count += 1
                _write(self._file, [feeds[name] for name in self._held])
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def run(
        self, plan: Plan, wanted: list[str], left: list[ir.Node], task: Callable[[int, dict[str, Array]], T]
    ) -> Iterator[T]:
        """What a task makes of tensors of every image, as the quantized model computes them; in order.

        Args:
            plan: what it says of nodes that are not behind one of `left` is final.
            wanted: names of tensors that INT8 nodes read.
            left: the nodes whose inputs this pass or a later one wants, and that are not final.
            task: gets the number of an image and its tensors, as codes; several at a time, on threads.
        """
        cut, held = self._cut(left), self._held
        codes = _computed_in_int8(self._model, plan)
        computed = [name for name in dict.fromkeys([*wanted, *cut]) if name not in held]
        part = self._carry_out(between(self._model, held, computed), plan) if computed else None
        outputs = {name: name for name in computed} if part is None else _return_codes(part, computed, codes)

        def bring(sessions: Sessions, item: tuple[int, Feeds]) -> list[tuple[list[Array], T]]:
            number, arrays = item
            for session in sessions:
                fed = [v.name for v in session.get_inputs()]
                given = {n: affine.dequantize(arrays[n], codes[n]) if n in codes else arrays[n] for n in fed}
                found = run(session, list(outputs.values()), given, "the INT8 model")
                arrays = arrays | dict(zip(outputs, found, strict=True))
            integers = {n: a if a.dtype == np.uint8 else affine.quantize(a, plan.qparams[n])
                        for n, a in arrays.items() if n in codes or n in wanted}  # fmt: skip
            following = [integers[n] if n in codes else arrays[n] for n in cut]
            return [(following, task(number, {n: integers[n] for n in wanted}))]

        following = _temporary()
        self._file.seek(0)
        items = ((None, (i, {name: np.load(self._file) for name in held})) for i in range(self._count))
        for _, brought in spread(None, [] if part is None else [part], bring, items):
            for arrays, found in brought:
                _write(following, arrays)
                yield found
        self._file.close()
        self._file, self._held = following, cut

    def _cut(self, left: list[ir.Node]) -> list[str]:
        """Names of the final tensors from which all that `left` still needs can be computed."""
        graph = self._model.graph
        not_final = {*left, *behind(graph, left)}
        needed: set[ir.Value] = set()
        cut: dict[str, None] = {}
        for node in reversed(graph):
            if node not in left and needed.isdisjoint(node.outputs):
                continue
            for value in reads(node):
                needed.add(value)
                producer = value.producer()
                final = value.is_graph_input() if producer is None else producer not in not_final
                if node in not_final and final:
                    if not isinstance(value.type, ir.TensorType):
                        return self._held  # a sequence, or nobody knows: an earlier cut is right too
                    cut[value.name or ""] = None
        return list(cut)


def _computed_in_int8(model: ir.Model, plan: Plan) -> dict[str, QParams]:
    """Name -> parameters of every tensor whose values are those of its codes."""
    inside = {*plan.int8_nodes, *plan.absorbed}
    names = [v.name or "" for node in model.graph if node.name in inside for v in node.outputs]
    return {name: plan.qparams[name] for name in names if name in plan.qparams}


def _return_codes(part: ir.Model, names: list[str], codes: Mapping[str, QParams]) -> dict[str, str]:
    """Tensor -> the output that stands for it: its codes, of which the part then makes no real numbers."""
    integers = {v.name: v for n in part.graph for v in n.outputs if v.dtype == ir.DataType.UINT8}
    found = dict.fromkeys(names, "")
    for index, name in enumerate(names):
        value = integers.get(f"{name}_quantized") if name in codes else None
        if value is not None:
            part.graph.outputs[index] = value
        found[name] = part.graph.outputs[index].name or ""
    common.RemoveUnusedNodesPass()(part)
    return found


def _temporary() -> IO[bytes]:
    return tempfile.TemporaryFile(prefix="pyq8-")


def _write(file: IO[bytes], arrays: list[Array]) -> None:
    with scratch():
        for array in arrays:
            np.save(file, array)
