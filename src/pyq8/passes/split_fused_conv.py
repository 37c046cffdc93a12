"""FusedConv, which ONNX Runtime writes into a model that it optimized, becomes what it was made of.

FusedConv(x, w, b, z) = activation(Conv(x, w, b) + z)
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import add_initializer, replace_node
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each

PARAMETERS = {"": (), "Relu": (), "Sigmoid": (), "Tanh": (), "LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"),
              "Clip": ("min", "max")}  # fmt: skip
"""Activation -> what its `activation_params` are."""


def run(model: ir.Model) -> PassResult:
    """Split in place."""
    return for_each(model, "split_fused_conv", {"FusedConv"}, _split, domain="com.microsoft")


def _split(node: ir.Node) -> bool:
    graph, output = node.graph, node.outputs[0]
    attributes = dict(node.attributes)
    kind = attributes.pop("activation").as_string() if "activation" in attributes else ""
    given = list(attributes.pop("activation_params").as_floats()) if "activation_params" in attributes else []
    names = PARAMETERS.get(kind)
    if graph is None or names is None or len(names) != len(given):
        raise Refuse(f"its activation {kind!r} is not known")
    nodes = [ir.Node("", "Conv", node.inputs[:3], list(attributes.values()), num_outputs=1, name=node.name)]

    def then(op_type: str, *more: ir.Value, **settings: float) -> None:
        before = nodes[-1].outputs[0]
        before.name, before.type, before.shape = f"{output.name}_before_{op_type}", output.type, output.shape
        nodes.append(ir.node(op_type, [before, *more], settings, name=f"{node.name}_{op_type}"))

    if len(node.inputs) > 3 and node.inputs[3] is not None:
        then("Add", node.inputs[3])
    if kind == "Clip":
        pairs = zip(names, given, strict=True)
        then(kind, *(add_initializer(graph, f"{node.name}_{name}", np.float32(value)) for name, value in pairs))
    elif kind:
        then(kind, **dict(zip(names, given, strict=True)))
    replace_node(node, nodes)
    return True
