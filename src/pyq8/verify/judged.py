"""What a model is judged by while layers are compared: float tensors that change smoothly with every layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from pyq8.detection.detector import head_detector, name_detector
from pyq8.loaders import Loader
from pyq8.model.intake import intake, single
from pyq8.runtime.sessions import model_session, run
from pyq8.types import Array, Feeds, Plan
from pyq8.verify.accuracy import image_size

if TYPE_CHECKING:
    import onnx_ir as ir

PICKS = frozenset("NonMaxSuppression TopK NonZero ArgMax ArgMin Unique Loop If Scan".split())
"""Behind these, a small error exchanges whole rows or changes how many there are."""
OF_BOXES = ("map50", "fp32")
"""Metric, and what it is measured against, of a model that picks boxes, where nothing is asked for."""


def picks_boxes(model: ir.Model) -> bool:
    """Whether it is a detector with NMS, or the like, in the graph: SQNR would compare its boxes in another order."""
    return _picks(model.graph) and name_detector(v.name or "" for v in model.graph.outputs) is not None


def finds_boxes(model: ir.Model, loader: Loader) -> bool:
    """Whether it is such a detector, or one whose only output is a head of the YOLO family on the first image.

    In a head coordinates of hundreds of pixels drown the scores, which SQNR would not notice.
    """
    outputs = model.graph.outputs
    if picks_boxes(model):
        return True
    if loader.preprocess is None or len(outputs) != 1 or (outputs[0].shape is not None and len(outputs[0].shape) != 3):
        return False
    for feeds, _ in single((batch.feeds for batch in loader), intake(model)):
        size = image_size(feeds)
        (found,) = run(model_session(model), [outputs[0].name or ""], feeds)
        return size is not None and head_detector({"": found[0]}, size) is not None
    return False


def judged_model(prepared: ir.Model, plan: Plan) -> ir.Model:
    """The model whose outputs are judged: a copy, all of its outputs float32.

    These are the float outputs of the model. Where one of its outputs depends on a node that picks (NMS, TopK, a Loop),
    or none is float, they are the tensors that the INT8 nodes hand to what follows the last of them instead, and the
    rest is cut off: a small error there exchanges boxes, which says nothing about the layer that caused it.

    Args:
        prepared: the FP32 model that the plan was made for; not changed.
        plan: names the INT8 nodes.
    """
    import onnx_ir as ir
    from onnx_ir.passes import common

    model = prepared.clone()
    graph = model.graph
    outputs = [v for v in graph.outputs if v.type is None or v.type == ir.TensorType(ir.DataType.FLOAT)]
    if not outputs or _picks(graph):
        outputs = _handed_on(graph, plan) or outputs
    del graph.outputs[:]
    graph.outputs.extend(dict.fromkeys(outputs))
    common.RemoveUnusedNodesPass()(model)
    return model


def _picks(graph: ir.Graph) -> bool:
    """Whether a node that picks leads to an output; all nodes of a graph do that are of any use."""
    return any(node.op_type in PICKS for node in graph)


def _handed_on(graph: ir.Graph, plan: Plan) -> list[ir.Value]:
    """What INT8 nodes compute for outputs and for FP32 nodes behind which no INT8 node comes."""
    inside = {*plan.int8_nodes, *plan.absorbed}
    leads: set[ir.Node] = set()
    for node in reversed(graph):
        if node.name in inside or any(use.node in leads for v in node.outputs for use in v.uses()):
            leads.add(node)
    values = [v for node in graph if node.name in inside for v in node.outputs]
    return [v for v in values if v.is_graph_output() or any(use.node not in leads for use in v.uses())]


class Judge:
    """Compares models with FP32 on the same images; holds their FP32 outputs, and no activations.

    Args:
        model: of which the outputs are the yardstick, see `judged_model`.
        batches: {input: array [N, ...]}, the images.
    """

    def __init__(self, model: ir.Model, batches: Iterable[Feeds]) -> None:
        self.names = [v.name or "" for v in model.graph.outputs]
        self._inputs = {v.name for v in model.graph.inputs}
        self._intake = intake(model)
        self._batches = list(batches)
        self._expected = list(self._run(model, "the FP32 model"))
        self.samples = sum(len(next(iter(feeds.values()))) for feeds in self._batches)

    def noise(self, candidate: ir.Model) -> float:
        """Noise over signal: sum (ref - x)^2 / sum ref^2 over all images, averaged over the outputs.

        An output that is all zeros in FP32 counts for nothing.

        Raises:
            ModelError: ONNX Runtime cannot run the candidate.
        """
        signal, noise = np.zeros(len(self.names)), np.zeros(len(self.names))
        for expected, found in zip(self._expected, self._run(candidate, "the INT8 model"), strict=True):
            for i, (ref, x) in enumerate(zip(expected, found, strict=True)):
                difference = (x - ref).ravel()
                signal[i] += np.vdot(ref, ref)
                noise[i] += np.vdot(difference, difference)
        used = signal > 0
        return float(np.mean(noise[used] / signal[used])) if used.any() else 0.0

    def _run(self, model: ir.Model, what: str) -> Iterable[list[Array]]:
        """The outputs of the real images, piece by piece."""
        from pyq8.runtime.sessions import model_session, run

        session, size = model_session(model, spin=False), self._intake.size
        for feeds, count in single(self._batches, self._intake):
            arrays = run(session, self.names, {k: v for k, v in feeds.items() if k in self._inputs}, what)
            yield [a[: len(a) // size * count] if a.ndim and not len(a) % size else a for a in arrays]
