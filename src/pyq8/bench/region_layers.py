"""The layers of pyq8's regions in a profile, in the place of their one node."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest

from pyq8.bench.trace import Event
from pyq8.kernels.region_record import LayerRun

REGION = "Region"


def find_names(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Region -> of every layer the first node that it computes, "op_type name"; "" for a way in or out.

    Empty where the attribute `names` is missing: it is for reports only.
    """
    import onnx

    found = {}
    for node in onnx.load(path, load_external_data=False).graph.node:
        if node.op_type == REGION:
            names = next((a.strings for a in node.attribute if a.name == "names"), ())
            found[node.name] = [name.decode().partition("\n")[0] for name in names]
    return found


def split_regions(
    events: Iterable[Event], runs: Iterable[list[LayerRun]], names: Mapping[str, list[str]]
) -> list[Event]:
    """An event for every layer; the time of layers that run together is divided by their multiply-adds.

    Args:
        events: of a profile, in the order in which they began.
        runs: of all regions, in that order.
        names: see `find_names`.
    """
    following = iter(runs)
    found = []
    for event in events:
        if event.op_type != REGION or event.name not in names:
            found.append(event)
            continue
        layers = next(following)
        whole = max(1, sum(layer.nanoseconds for layer in layers))
        for name, share in zip_longest(names[event.name][: len(layers)], _shares(layers)):
            op_type, _, node = (name or f"{REGION} {event.name}").partition(" ")
            found.append(replace(event, name=node, op_type=op_type, ms=event.ms * share / whole))
    return found


def _shares(layers: list[LayerRun]) -> Iterator[float]:
    """Nanoseconds of every layer."""
    begins = [i for i, layer in enumerate(layers) if layer.nanoseconds or not i]
    for begin, end in zip(begins, [*begins[1:], len(layers)], strict=True):
        macs = sum(layer.macs for layer in layers[begin:end])
        for i in range(begin, end):
            share = layers[i].macs / macs if macs else float(i == begin)
            yield layers[begin].nanoseconds * share
