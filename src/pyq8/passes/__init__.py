"""Exact FP32 -> FP32 graph passes. Their order is their meaning, so it stands here, in one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyq8.passes.result import PassResult
from pyq8.types import REGIONS

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["PassResult", "Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """The prepared model and what each pass did to it."""

    model: ir.Model
    passes: tuple[PassResult, ...]

    def __str__(self) -> str:
        return "\n".join(str(p) for p in self.passes)


def prepare(model: ir.Model, format: str = "qdq") -> Prepared:
    """An equal model that is easier to quantize: same outputs within 1e-5 relative.

    Args:
        model: as `pyq8.model.file.load` returns it; not changed.
        format: that it is prepared for. Regions compute as tables what convolutions stand for in the others, and
            convolutions that would be slower than a Resize in FP32.
    """
    from onnx_ir.passes import common

    from pyq8.fresh_names import owners, rename_new
    from pyq8.model.shapes import infer_shapes
    from pyq8.passes import (
        average_pool_to_conv,
        batchnorm_to_conv,
        conv_transpose_to_conv,
        fold_affine,
        fold_batchnorm,
        fold_constants,
        fold_pixels,
        fuse_pad,
        hard_sigmoid_to_conv,
        matmul_to_gemm,
        move_stride,
        name_hard_swish,
        pad_depthwise_channels,
        pad_input_channels,
        pad_output_channels,
        pool_after_conv,
        reduce_mean_to_pool,
        remove_identity,
        resize_to_conv,
        split_fused_conv,
        widen_groups,
        write_axes,
    )

    ordered = (
        split_fused_conv,  # before all that looks for convolutions
        remove_identity,  # early: a weight behind an Identity is a constant only without it
        fold_constants,  # before all that asks "is it constant?"
        write_axes,
        name_hard_swish,  # before its constants are folded into convolutions
        fuse_pad,
        fold_pixels,  # behind fuse_pad: outside the image a pixel is 0 after normalization, not before
        matmul_to_gemm,  # before BatchNorm, which folds into a Gemm
        fold_affine,  # a bias may stand before the BatchNorm ...
        fold_batchnorm,
        fold_affine,  # ... and a scale behind it ...
        fold_batchnorm,  # ... and another BatchNorm behind that
        batchnorm_to_conv,  # what is left
        reduce_mean_to_pool,
        conv_transpose_to_conv,  # behind all that folds into it
        resize_to_conv,
        move_stride,  # the rest is for speed
        widen_groups,
        hard_sigmoid_to_conv,
        pad_depthwise_channels,  # those that became of HardSigmoid too, around convolutions that may have been grouped
        average_pool_to_conv,  # only multiples of 16
        pool_after_conv,
        pad_output_channels,
        pad_input_channels,
    )
    model = model.clone()
    results = []
    infer_shapes(model)
    left_out = hard_sigmoid_to_conv if format == REGIONS else resize_to_conv
    for module in (m for m in ordered if m is not left_out):
        before = owners(model.graph)
        results.append(module.run(model))
        common.RemoveUnusedNodesPass()(model)
        rename_new(model.graph, before)
        if results[-1].changed:
            infer_shapes(model)
    return Prepared(model, tuple(results))
