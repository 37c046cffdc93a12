"""The nodes that regions compute, one by one."""

from __future__ import annotations

import onnx_ir as ir

from pyq8.report.steps import find_steps
from pyq8.rewrite import rewrite

from ..small_models import parse, quantized
from .region_models import NODES, SEVERAL, WEIGHTS, WHOLE


def edges(model: ir.Model) -> dict[str, set[str]]:
    """Node -> the nodes that it reads from, in order."""
    steps = find_steps(model.graph, NODES)
    return {step.name: {steps[i].name for i in step.reads} for step in steps}


def test_between_regions_and_in_them_nodes_read_what_they_read_without() -> None:
    found = quantized(parse(SEVERAL, WEIGHTS))
    model = rewrite(found.model, found.plan, "pyq8")

    assert [node.op_type for node in model.graph] == ["Region", "Sin", "Region"]
    assert list(edges(model)) == ["one", "sine", "two", "sum", "last"]
    assert edges(model) == edges(found.quantized["qoperator"])


def test_what_is_joined_comes_from_all_that_write_a_part_of_it() -> None:
    found = quantized(parse(WHOLE, WEIGHTS))
    model = rewrite(found.model, found.plan, "pyq8")

    assert [node.op_type for node in model.graph] == ["Region"]
    assert edges(model) == {
        "one": set(),
        "two": {"one"},
        "sum": {"one", "two"},
        "sigmoid": {"sum"},
        "pool": {"one"},
        "join": {"sigmoid", "pool"},
        "last": {"join", "sum"},  # the sum writes its part of the whole itself
    }
