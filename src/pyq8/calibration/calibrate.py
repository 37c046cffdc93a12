"""Stream images through the FP32 model and keep statistics of every tensor that needs a range."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from copy import copy
from functools import partial

import numpy as np
import onnx_ir as ir

from pyq8.calibration.observers import OBSERVERS
from pyq8.calibration.observers.collect import Collector
from pyq8.errors import DataError
from pyq8.model.file import sha256
from pyq8.model.intake import intake, single
from pyq8.model.parts import with_outputs
from pyq8.ops import Fixed, find_rule
from pyq8.ops.placement import Placement, place
from pyq8.ops.tables import find_tables
from pyq8.runtime.environment import DataDigest
from pyq8.runtime.sessions import run
from pyq8.stats import Calibration, Half
from pyq8.types import REGIONS, Config, Feeds
from pyq8.workers.spread import Sessions, spread

Halves = tuple[Half, Half]


def calibrate(
    model: ir.Model,
    batches: Iterable[Feeds],
    config: Config,
    progress: Callable[[int], None] | None = None,
    executor: Executor | None = None,
) -> Calibration:
    """Run every image once, alone, and observe it: statistics do not depend on batching, order or workers.

    Each image is computed and observed by one thread, as many side by side as there are cores, 8 at most: observing,
    which is single-threaded, then never leaves a core idle.

    An image is counted in the half that the last bit of its digest says. Copies of it are in the same one.

    Args:
        model: prepared.
        batches: {input name: array [N, ...]}, N may vary.
        config: `observer` says whether histograms are needed.
        progress: called with the number of images done since the last call.
        executor: where images are observed; see `spread`.

    Raises:
        DataError: no image came, one made NaN or infinity, or a tensor was empty on all of them.
        ModelError: ONNX Runtime cannot run the model.
        WorkerError: see `spread`.
    """
    histogram = OBSERVERS.get(config.observer).needs_histogram
    collectors = make_collectors(place(model), histogram)
    if config.format == REGIONS:  # what is excluded may make a chain one that is no table
        collectors |= make_collectors(place(model, (), find_tables(model)), histogram)
    inputs = {v.name for v in model.graph.inputs}
    taken = intake(model)
    digest = DataDigest()

    def items() -> Iterator[tuple[int, tuple[Feeds, list[int]]]]:
        for feeds, count in single(batches, taken):
            samples = taken.samples(feeds)
            chosen = [digest.update({k: v[i : i + 1] for k, v in samples.items()}) % 2 for i in range(count)]
            yield count, ({k: v for k, v in feeds.items() if k in inputs}, chosen)

    halves = Half({}, 0), Half({}, 0)
    observe = partial(_observe, collectors, taken.size)
    for counts, found in spread(executor, [with_outputs(model, collectors)], observe, items(), _merge):
        halves = _merge(halves, found)
        if progress is not None:
            progress(sum(counts))
    if not any(half.samples for half in halves):
        raise DataError("no calibration image came from the loader; give at least one")
    for name in collectors:
        if all(name not in half.stats for half in halves):
            raise DataError(f"tensor {name!r} was empty on every calibration image; give other images")
    first, second = (Half({n: h.stats[n] for n in collectors if n in h.stats}, h.samples) for h in halves)
    return Calibration((first, second), sha256(model), digest.hexdigest())


def _observe(
    collectors: Mapping[str, Collector], size: int, sessions: Sessions, item: tuple[Feeds, list[int]]
) -> Halves:
    """The statistics of some images that are run at once; `chosen` says the half of each.

    Args:
        collectors: empty ones.
        size: images that the model takes at a time; what fills them up is left out.
        sessions: of the model, with all observed tensors as outputs.
        item: (inputs, chosen).
    """
    feeds, chosen = item
    outputs = [name for name in collectors if name not in feeds]
    arrays: Feeds = {**feeds, **dict(zip(outputs, run(sessions[0], outputs, feeds), strict=True))}
    halves = [{name: copy(empty) for name, empty in collectors.items()} for _ in range(2)]
    for name in collectors:
        values = arrays[name]
        if values.dtype == np.float32:
            images = [values] if values.ndim == 0 or values.shape[0] % size else np.split(values, size)
            for half, image in zip(chosen, images, strict=False):
                halves[half][name].update(image)
    first, second = (_half(seen, chosen.count(i)) for i, seen in enumerate(halves))
    return first, second


def _half(collectors: Mapping[str, Collector], samples: int) -> Half:
    seen = {name: collector.stats() for name, collector in collectors.items()}
    return Half({name: stats for name, stats in seen.items() if stats is not None}, samples)


def _merge(one: Halves, other: Halves) -> Halves:
    return one[0] + other[0], one[1] + other[1]


def make_collectors(placement: Placement, histogram: bool) -> dict[str, Collector]:
    """One collector for every tensor whose range or whose channel means the plan will ask for."""
    ranged: set[str] = set()
    known: set[str] = set()
    means: dict[str, int] = {}
    order: dict[str, None] = {}

    def want(value: ir.Value) -> None:
        root = placement.scale_root(value)
        producer = root.producer()
        rule = find_rule(producer)
        if root.const_value is None and not placement.is_stored(root) and root.name:
            fixed = rule is not None and isinstance(rule.output, Fixed) and producer in placement.int8
            (known if fixed else ranged).add(root.name)
            order[root.name] = None

    for node in placement.int8:
        rule = find_rule(node)
        assert rule is not None
        for _, value in rule.activations(node):
            want(value)
            if rule.weight is not None and value.name:
                order[value.name] = None
                means[value.name] = -1 if node.op_type == "MatMul" else 1
        want(placement.output(node))
    counted = known | ranged if histogram else known
    return {n: Collector(n, histogram=n in counted, channel_axis=means.get(n)) for n in order}
