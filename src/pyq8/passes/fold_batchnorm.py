"""BatchNormalization behind a Conv, ConvTranspose or Gemm goes into its weight and bias.

y = gamma * (W x + b - mean) / sqrt(var + eps) + beta
f = gamma / sqrt(var + eps)
W_folded = W * f        b_folded = (b - mean) * f + beta
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from pyq8.graph_edit import bypass, constant, only_reader, producer, static_int
from pyq8.passes import linear
from pyq8.passes.result import PassResult
from pyq8.passes.rewriting import Refuse, for_each
from pyq8.types import Array

EPSILON = 1e-5


def run(model: ir.Model) -> PassResult:
    """Fold in place."""
    return for_each(model, "fold_batchnorm", {"BatchNormalization"}, _fold)


def affine(node: ir.Node) -> tuple[Array, Array]:
    """A BatchNormalization at inference as y_c = factor_c * x_c + offset_c, float64 (C,) each.

    Raises:
        Refuse: it is in training mode, or its statistics are not constant or not finite.
    """
    if static_int(node, "training_mode", 0) or any(o.uses() or o.is_graph_output() for o in node.outputs[1:]):
        raise Refuse("it is in training mode")
    arrays = [constant(value) for value in node.inputs[1:5]]
    if any(a is None for a in arrays):
        raise Refuse("its statistics are not constant")
    gamma, beta, mean, var = (np.asarray(a, np.float64) for a in arrays)
    epsilon = node.attributes.get_float("epsilon", EPSILON)
    with np.errstate(all="ignore"):
        factor = gamma / np.sqrt(var + epsilon)
        offset = beta - mean * factor
    if not (np.abs([factor, offset]) <= np.finfo(np.float32).max).all():
        raise Refuse("its factor does not fit float32")
    return factor, offset


def _fold(node: ir.Node) -> bool:
    source = node.inputs[0]
    before = producer(source, *linear.OP_TYPES)
    if source is None or before is None:
        raise Refuse("no Conv, ConvTranspose or Gemm right before it")
    if only_reader(source) is not node:
        raise Refuse(f"others read the output of {before.name!r} too")
    factor, offset = affine(node)
    _, bias = linear.parameters(before)
    linear.replace(before, factor, bias * factor + offset)
    bypass(node, source)
    return True
