"""How long the model takes with some groups in FP32: estimated, so that asking costs nothing and is no noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyq8.errors import UsageError
from pyq8.ops.by_cost import make_network
from pyq8.ops.placement import place
from pyq8.plan.groups import Group
from pyq8.tuning.goal import Floats
from pyq8.types import Plan

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Costs:
    """What was measured on this machine, for one image.

    Args:
        fp32_ms: of the whole FP32 model.
        int8_ms: of the model with the whole plan in INT8.
        fp32_us: of every group; one that is missing takes as long in INT8.
        int8_us: likewise.
    """

    fp32_ms: float
    int8_ms: float
    fp32_us: Mapping[str, float]
    int8_us: Mapping[str, float]

    __hash__ = None  # type: ignore[assignment]  # holds mappings

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Costs:
        """The inverse of `dataclasses.asdict`."""
        return cls(data["fp32_ms"], data["int8_ms"], dict(data["fp32_us"]), dict(data["int8_us"]))


class Latency:
    """The measured model, the measured differences of its groups, and estimates of the conversions around them.

    Args:
        model: the prepared FP32 model.
        plan: what is INT8 where no group is FP32.
        groups: of the plan.
        costs: of this machine.
    """

    def __init__(self, model: ir.Model, plan: Plan, groups: Sequence[Group], costs: Costs) -> None:
        self._model, self._plan, self._costs = model, plan, costs
        self._nodes = {group.name: group.nodes for group in groups}
        placement = place(model, (), plan.float_nodes)
        self._names = [node.name or "" for node in placement.int8]
        self._tensors = make_network(placement, [None] * len(placement.int8)).tensors
        self._known: dict[Floats, float] = {}
        self._all_int8 = self._conversions(frozenset())

    def __call__(self, floats: Floats) -> float:
        """Milliseconds."""
        if floats not in self._known:
            both = sorted(floats & self._costs.fp32_us.keys() & self._costs.int8_us.keys())
            us = sum(self._costs.fp32_us[name] - self._costs.int8_us[name] for name in both)
            us += self._conversions(floats) - self._all_int8
            self._known[floats] = self._costs.int8_ms + us / 1e3
        return self._known[floats]

    def _conversions(self, floats: Floats) -> float:
        """Microseconds."""
        exclude = [node for group in sorted(floats) for node in self._nodes[group]]
        inside = {node.name for node in place(self._model, exclude, self._plan.float_nodes).int8}
        outside = {i for i, name in enumerate(self._names) if name not in inside}
        return sum(tensor.conversion(outside) for tensor in self._tensors) / 1e3


def find_cap(text: str | float | None, fp32_ms: float) -> float | None:
    """Milliseconds of "3.5", 3.5, or as a multiple of FP32's "0.6x".

    Raises:
        UsageError: it is none of these, or not positive.
    """
    if text is None:
        return None
    words = str(text).strip().removesuffix("ms").strip()
    try:
        number = float(words.removesuffix("x"))
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"--max-latency {text!r}: give milliseconds, like 3.5, or a multiple of FP32's, like 0.6x")
    return number * fp32_ms if words.endswith("x") else number
