"""Depthwise convolutions whose channels are no multiple of 16 get channels of zeros, and all that is tied to them.

    [y; 0] = depthwise([W; 0], [x; 0])        a convolution before it writes [x; 0] with [V; 0],
                                              f(0) is finite, and a convolution behind it reads [z; f(0)] with [U, 0]

Without it the convolution misses ONNX Runtime's fast kernel (MobileNet-v3: 72, 120, 184, 200 channels). Nothing is
sliced off: zero weights remove the new channels again. Measured: see docs/explanation/speed.md.
"""

from __future__ import annotations

import onnx_ir as ir

from pyq8.graph_edit import is_depthwise, static_int
from pyq8.ops.placement import place
from pyq8.passes.bundle import bundle_of
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each

MULTIPLE = 16
LEAST_SHARE = 3
"""At most a third more: the convolutions around pay for the new channels."""


def run(model: ir.Model) -> PassResult:
    """Pad in place, where a depthwise convolution would run in INT8 and computes more than one pixel."""
    inside = set(place(model).int8)
    padded: dict[str, None] = {}

    def pad(node: ir.Node) -> bool:
        channels = static_int(node, "group", 1)
        missing = -channels % MULTIPLE
        if not missing or not is_depthwise(node):
            return False
        if node not in inside:
            raise Refuse("it would stay FP32")
        if missing * LEAST_SHARE > channels:
            raise Refuse(f"{missing} more than its {channels} channels would cost more than they bring")
        output = node.outputs[0]
        if output.shape is not None and all(d == 1 for d in list(output.shape)[2:]):
            raise Refuse("it computes one pixel")
        assert node.graph is not None
        bundle = bundle_of(output, node.graph)
        bundle.add_zeros(missing)
        padded.update(dict.fromkeys(n.name or n.op_type for n in bundle.depthwise))
        return True

    refused = for_each(model, "pad_depthwise_channels", {"Conv"}, pad).refused
    reasons = {name: reason for name, reason in refused.items() if name not in padded}
    return PassResult("pad_depthwise_channels", tuple(padded), reasons)
