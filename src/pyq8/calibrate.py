"""Stream images through the FP32 model and keep statistics of every tensor that needs a range."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from pyq8 import cpu
from pyq8.environment import DataDigest
from pyq8.errors import DataError
from pyq8.inference import batch_size, single, with_outputs
from pyq8.observers import OBSERVERS
from pyq8.observers.collect import Collector
from pyq8.ops import Fixed, find_rule
from pyq8.ops.placement import Placement, place
from pyq8.stats import Calibration, Half
from pyq8.types import Array, Config, Feeds

if TYPE_CHECKING:
    import onnx_ir as ir

IMAGES = 2
"""Under way at a time."""

Progress = Callable[[int], None]
"""Called with the number of images done since the last call."""


def calibrate(
    model: ir.Model, batches: Iterable[Feeds], config: Config, progress: Progress | None = None
) -> Calibration:
    """Run every image once, alone, and observe it: statistics do not depend on batching or order.

    Two images are under way at a time, each computed and observed by a thread of its own with half of the cores:
    observing, which is single-threaded, then never leaves a core idle. No more than these two are held.

    An image is counted in the half that the last bit of its digest says. Copies of it are in the same one.

    Args:
        model: prepared.
        batches: {input name: array [N, ...]}, N may vary.
        config: `observer` says whether histograms are needed.
        progress: called after every image.

    Raises:
        DataError: no image came, one made NaN or infinity, or a tensor was empty on all of them.
        ModelError: ONNX Runtime cannot run the model.
    """
    from pyq8.model import sha256
    from pyq8.sessions import model_session

    placement = place(model)
    histogram = OBSERVERS.get(config.observer).needs_histogram
    halves = make_collectors(placement, histogram), make_collectors(placement, histogram)
    names = list(halves[0])
    workers = min(IMAGES, cpu.physical_cores())
    session = model_session(with_outputs(model, names), spin=False, threads=cpu.physical_cores() // workers)
    inputs = {v.name for v in model.graph.inputs}
    outputs = [name for name in names if name not in inputs]
    size = batch_size(model)
    digest = DataDigest()
    samples = [0, 0]

    def observe(feeds: Feeds, chosen: list[int]) -> int:
        computed = iter(session.run(outputs, feeds))
        arrays: list[Array] = [feeds[name] if name in inputs else next(computed) for name in names]
        for name, values in zip(names, arrays, strict=True):
            if values.dtype == np.float32:
                images = [values] if values.ndim == 0 or values.shape[0] % size else np.split(values, size)
                for half, image in zip(chosen, images, strict=False):  # what fills the batch up is left out
                    halves[half][name].update(image)
        return len(chosen)

    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[int]] = deque()

        def finish(left: int) -> None:
            while len(pending) > left:
                count = pending.popleft().result()
                if progress is not None:
                    progress(count)

        for feeds, count in single(batches, size):
            chosen = [digest.update({k: v[i : i + 1] for k, v in feeds.items()}) % 2 for i in range(count)]
            for half in chosen:
                samples[half] += 1
            finish(workers - 1)
            pending.append(pool.submit(observe, {k: v for k, v in feeds.items() if k in inputs}, chosen))
        finish(0)
    if not any(samples):
        raise DataError("no calibration image came from the loader; give at least one")
    first, second = (_half(c, count) for c, count in zip(halves, samples, strict=True))
    for name in names:
        if name not in first.stats and name not in second.stats:
            raise DataError(f"tensor {name!r} was empty on every calibration image; give other images")
    return Calibration((first, second), sha256(model), digest.hexdigest())


def _half(collectors: Mapping[str, Collector], samples: int) -> Half:
    seen = {name: collector.stats() for name, collector in collectors.items()}
    return Half({name: stats for name, stats in seen.items() if stats is not None}, samples)


def make_collectors(placement: Placement, histogram: bool) -> dict[str, Collector]:
    """One collector for every tensor whose range or whose channel means the plan will ask for."""
    ranged: set[str] = set()
    means: dict[str, int] = {}
    order: dict[str, None] = {}

    def want(value: ir.Value) -> None:
        root = placement.scale_root(value)
        producer = root.producer()
        rule = find_rule(producer.op_type, producer.domain) if producer is not None else None
        fixed = rule is not None and isinstance(rule.output, Fixed) and producer in placement.int8
        if root.const_value is None and not fixed and not placement.is_stored(root) and root.name:
            ranged.add(root.name)
            order[root.name] = None

    for node in placement.int8:
        rule = find_rule(node.op_type, node.domain)
        assert rule is not None
        for _, value in rule.activations(node):
            want(value)
            if rule.weight is not None and value.name:
                order[value.name] = None
                means[value.name] = -1 if node.op_type == "MatMul" else 1
        want(placement.output(node))
    return {n: Collector(n, histogram=histogram and n in ranged, channel_axis=means.get(n)) for n in order}
