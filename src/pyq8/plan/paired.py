"""Weights of which no pair saturates in 16 bits: the scale of each output channel, and the codes.

The scale of 8 bits lets some pairs go too far; half as fine a one lets none. Between them, a coarser scale rounds every
weight worse and a finer one cuts more pairs: each channel takes the one with the least squared error,

    scale_c = argmin_s |w_c - s project(w_c / s)|^2,    s of STEPS from max|w_c| / 127 to max|w_c| / 64
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pyq8 import affine, cpu
from pyq8.saturation import LIMIT, can_saturate, kernel_order, project, undo_kernel_order, unsafe
from pyq8.types import PAIRED, Array, QParams

STEPS = 32
ROWS = 64
"""Output channels tried at a time: they stay in the cache."""


def paired_qparams(weight: Array, finest: QParams, axes: Collection[int]) -> QParams:
    """Parameters of a weight, not finer than those of 8 bits, with which `paired_codes` saturate nowhere.

    Args:
        weight: float, the output channels along an axis.
        finest: its 8-bit parameters.
        axes: of the output channels of the nodes that read it; two where one of them reads it transposed.
    """
    coarsest = 127 / (LIMIT // 2)
    if finest.axis is None:  # rows of one reader are columns of the other: what is nearest must do for both
        for factor in np.linspace(1, coarsest, STEPS):
            found = replace(finest, scale=np.float32(finest.scale * factor), qtype=PAIRED)
            if not any(can_saturate(affine.quantize(weight, found), axis) for axis in axes):
                break
        return found
    rows = kernel_order(weight, finest.axis)
    parts = [slice(start, start + ROWS) for start in range(0, len(rows), ROWS)]
    with ThreadPoolExecutor(cpu.share()) as pool:
        best = list(pool.map(lambda part: _best(rows[part], finest.scale[part], coarsest), parts))
    return replace(finest, scale=np.concatenate(best), qtype=PAIRED)


def paired_codes(weight: Array, qparams: QParams) -> npt.NDArray[np.int8] | None:
    """The codes of which no pair saturates, as near as can be; None where the nearest ones are such."""
    nearest = affine.quantize(weight, qparams)
    if qparams.axis is None or not can_saturate(nearest, qparams.axis):
        return None
    wanted = kernel_order(weight, qparams.axis) / qparams.scale[:, None]
    return undo_kernel_order(project(wanted, qparams.qtype.qmax).astype(np.int8), weight, qparams.axis)


def _best(rows: Array, finest: Array, coarsest: float) -> Array:
    """The scale of the least error of each row, (C,); the finest where no pair goes too far with it."""
    best = finest.copy()
    left = np.flatnonzero(unsafe(np.clip(np.rint(rows / finest[:, None]), -PAIRED.qmax, PAIRED.qmax)).any(axis=1))
    rows, least = rows[left], np.full(len(left), np.inf)
    for factor in np.linspace(1, coarsest, STEPS):
        scale = (finest[left] * factor).astype(np.float32)
        difference = project(rows / scale[:, None], PAIRED.qmax) * scale[:, None] - rows
        error = np.einsum("ck,ck->c", difference, difference)
        better = error < least
        least[better] = error[better]
        best[left[better]] = scale[better]
    return np.asarray(best)
