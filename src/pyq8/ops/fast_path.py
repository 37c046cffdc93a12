"""Which convolutions MLAS runs on its packed INT8 kernels."""

from __future__ import annotations


def missed_condition(groups: int, inputs: int, outputs: int) -> str:
    """Which condition of the fast QLinearConv a convolution with int8 weights misses; "" for none.

    Source: onnxruntime qlinearconv.cc and mlas convsym.cpp. One group: at least 16 output channels, input and output
    channels multiples of 4; depthwise: channels a multiple of 16.

    Args:
        groups: how many.
        inputs: input channels of one group.
        outputs: output channels of all groups.
    """
    if groups == 1:
        if outputs < 16:
            return f"{outputs} output channels are fewer than 16"
        for kind, count in (("input", inputs), ("output", outputs)):
            if count % 4:
                return f"{count} {kind} channels are no multiple of 4"
        return ""
    if is_depthwise(groups, inputs, outputs):
        return f"{groups} depthwise channels are no multiple of 16" if groups % 16 else ""
    return f"it has {groups} groups"


def is_depthwise(groups: int, inputs: int, outputs: int) -> bool:
    """Whether every channel is convolved by itself, to one output channel."""
    return groups > 1 and inputs == 1 and outputs == groups
