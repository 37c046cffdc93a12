"""Why a layer loses: the range of what it reads, its weights, or the range of what it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pyq8.graph_edit import constant
from pyq8.ops import SameAs, find_rule
from pyq8.plan.groups import Group
from pyq8.ranking.ranges import RangeUse, watch_ranges
from pyq8.ranking.rounded import round_tensors, round_weights, rounded_weight
from pyq8.ranking.weight_use import ChannelUse, worst_channel
from pyq8.types import Feeds, Plan
from pyq8.verify.judged import Judge

if TYPE_CHECKING:
    import onnx_ir as ir

WORTH_TELLING = 0.25
"""Share of the three causes from which one is told."""


@dataclass(frozen=True)
class Diagnosis:
    """The causes of one group's error, each alone in an FP32 model.

    Args:
        input: noise over signal at the judged outputs with only the tensors that it reads rounded.
        weights: the same with only its weights rounded, their bias correction included.
        output: the same with only the tensors that it computes rounded.
        reads: the tensor with the most rounding noise among those that it reads; None where all are constant.
        channel: the worst channel of its weights; None where they are zeros.
        computes: the tensor with the most rounding noise among those that it computes; None where it writes float32.
    """

    input: float
    weights: float
    output: float
    reads: RangeUse | None
    channel: ChannelUse | None
    computes: RangeUse | None

    def __str__(self) -> str:
        causes = [
            (self.weights, "weights", self.channel),
            (self.input, "input", self.reads),
            (self.output, "output", self.computes),
        ]
        total = sum(noise for noise, _, _ in causes)
        if total <= 0:
            return "exact"
        told = [(n / total, what, why) for n, what, why in causes if n / total >= WORTH_TELLING and why is not None]
        told.sort(key=lambda cause: -cause[0])
        return "; ".join(f"{what} ({share:.0%}) {why}" for share, what, why in told)

    def to_json(self) -> dict[str, Any]:
        """Its fields, and `text`."""
        return {**asdict(self), "text": str(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Diagnosis:
        """The inverse of `to_json`."""
        reads, computes = (RangeUse(**data[key]) if data[key] else None for key in ("reads", "computes"))
        channel = ChannelUse(**data["channel"]) if data["channel"] else None
        return cls(data["input"], data["weights"], data["output"], reads, channel, computes)


def diagnose(
    model: ir.Model, plan: Plan, groups: Sequence[Group], batches: Sequence[Feeds], judge: Judge
) -> dict[str, Diagnosis]:
    """Group -> why it loses: three FP32 models a group.

    Args:
        model: FP32, see `pyq8.verify.judged.judged_model`.
        plan: its scales.
        groups: the ones to look at.
        batches: {input: array [N, ...]}.
        judge: of that model and these images.

    Raises:
        ModelError: ONNX Runtime cannot run one of the models.
    """
    tensors = {group.name: _tensors(model, plan, group) for group in groups}
    wanted = dict.fromkeys(name for pair in tensors.values() for names in pair for name in names)
    ranges = watch_ranges(model, plan, list(wanted), batches)
    found = {}
    for group in groups:
        reads, computes = tensors[group.name]
        found[group.name] = Diagnosis(
            judge.noise(round_tensors(model, plan, reads)),
            judge.noise(round_weights(model, plan, group.nodes)),
            judge.noise(round_tensors(model, plan, computes)),
            max((ranges[name] for name in reads), key=lambda r: r.noise, default=None),
            _channel(model, plan, group),
            max((ranges[name] for name in computes), key=lambda r: r.noise, default=None),
        )
    return found


def _tensors(model: ir.Model, plan: Plan, group: Group) -> tuple[list[str], list[str]]:
    """Names of the quantized tensors that a group reads from elsewhere, and of those that it computes.

    What only moves values computes none: they are rounded already.
    """
    inside = {*group.nodes, *group.absorbed}
    nodes = [node for node in model.graph if node.name in inside]
    made = {v for node in nodes for v in node.outputs}
    reads: list[ir.Value] = []
    computes: list[ir.Value] = []
    for node in nodes:
        rule = find_rule(node)
        if rule is not None:
            reads += [v for _, v in rule.activations(node) if v.const_value is None and v not in made]
        if rule is None or not isinstance(rule.output, SameAs):
            computes += node.outputs
    read, computed = ([v.name or "" for v in values if v.name in plan.qparams] for values in (reads, computes))
    return list(dict.fromkeys(read)), computed


def _channel(model: ir.Model, plan: Plan, group: Group) -> ChannelUse | None:
    (node,) = [n for n in model.graph if n.name == group.name]
    rule = find_rule(node)
    weight = node.inputs[rule.weight] if rule is not None and rule.weight is not None else None
    array = constant(weight)
    if rule is None or weight is None or array is None or not weight.name:
        return None
    rounded = rounded_weight(weight.name, array, plan)
    return worst_channel(array, rounded, plan.qparams[weight.name], rule.weight_axis(node))
