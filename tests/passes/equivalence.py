"""Run one pass, and the model before and after it, in ONNX Runtime: what the tests of all passes share."""

from __future__ import annotations

from collections import Counter
from types import ModuleType

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from pyq8.model.file import sha256
from pyq8.passes import PassResult
from pyq8.runtime.sessions import model_session
from pyq8.types import Array, Feeds

RTOL = 1e-5
"""Of an output's largest value: what an exact pass may differ by."""


def feeds_of(model: ir.Model) -> Feeds:
    """Random inputs; dimensions without a size are 2."""
    rng = np.random.default_rng(7)
    feeds: Feeds = {}
    for value in model.graph.inputs:
        assert value.name and value.shape is not None and value.dtype is not None
        dims = [d if isinstance(d, int) and d > 0 else 2 for d in value.shape]
        array = rng.standard_normal(dims) * (100 if value.dtype == ir.DataType.UINT8 else 1)
        feeds[value.name] = np.abs(array).astype(np.uint8) if value.dtype == ir.DataType.UINT8 else array
        feeds[value.name] = np.asarray(feeds[value.name], value.dtype.numpy())
    return feeds


def run(model: ir.Model, feeds: Feeds) -> dict[str, Array]:
    """Output name -> value, of the graph as it stands: ONNX Runtime may not fold anything itself."""
    session = model_session(model, optimize="off", threads=1, spin=False)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def assert_same(new: dict[str, Array], old: dict[str, Array]) -> None:
    """Same names in the same order, same shapes, values within RTOL of the largest."""
    assert list(new) == list(old)
    for name, expected in old.items():
        assert new[name].dtype == expected.dtype
        assert new[name].shape == expected.shape
        largest = np.abs(expected.astype(np.float64)).max(initial=0)
        difference = np.abs(new[name].astype(np.float64) - expected.astype(np.float64)).max(initial=0)
        assert difference <= RTOL * largest, f"{name}: {difference} of {largest}"


def apply(module: ModuleType, model: ir.Model, feeds: Feeds | None = None) -> tuple[PassResult, ir.Model]:
    """What the pass reports and the model it leaves, which computes the same; `model` is not changed.

    A pass that reports no change has made none, and one that reports a change has.
    """
    feeds = feeds or feeds_of(model)
    before = sha256(model)
    new = model.clone()
    result: PassResult = module.run(new)
    changed = sha256(new) != before
    assert changed == bool(result.changed)
    common.RemoveUnusedNodesPass()(new)
    assert_same(run(new, feeds), run(model, feeds))
    assert sha256(model) == before
    assert [v.name for v in new.graph.inputs] == [v.name for v in model.graph.inputs]
    return result, new


def refusal(module: ModuleType, model: ir.Model, node: str, feeds: Feeds | None = None) -> str:
    """Why the pass leaves `node` alone, as it does everything else."""
    result, _ = apply(module, model, feeds)
    assert result.changed == ()
    return result.refused[node]


def ops(model: ir.Model) -> dict[str, int]:
    """Operator -> how often it stands in the main graph."""
    return dict(Counter(node.op_type for node in model.graph))
