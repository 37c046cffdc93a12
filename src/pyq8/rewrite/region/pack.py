"""Weights as the tile of csrc/int8 reads them: [groups][blocks][taps][steps][16 outputs][4 products]."""

from __future__ import annotations

import numpy as np

from pyq8.types import Array

OUTPUTS, GROUP = 16, 4


def pack(weight: Array, groups: int, rows: bool) -> Array:
    """Packed weights.

    Args:
        weight: int8, shape (K, C / groups, R, S).
        groups: of the convolution.
        rows: a tap is a row of the kernel, S * C / groups products, instead of one of its pixels.

    Returns:
        int8, shape (groups, blocks, taps, steps, 16, 4); zeros behind the outputs and the products.
    """
    k, c, r, s = weight.shape
    taps = weight.transpose(0, 2, 3, 1).reshape(groups, k // groups, *((r, s * c) if rows else (r * s, c)))
    padded = np.pad(taps, ((0, 0), (0, -taps.shape[1] % OUTPUTS), (0, 0), (0, -taps.shape[3] % GROUP)))
    blocks, steps = padded.shape[1] // OUTPUTS, padded.shape[3] // GROUP
    split = padded.reshape(groups, blocks, OUTPUTS, padded.shape[2], steps, GROUP)
    packed: Array = split.transpose(0, 1, 3, 4, 2, 5)
    return packed


def spread(numbers: Array, groups: int) -> Array:
    """Numbers of the outputs, (K,), as (groups, blocks * 16), zeros behind those of a group."""
    of_group = numbers.reshape(groups, -1)
    return np.pad(of_group, ((0, 0), (0, -of_group.shape[1] % OUTPUTS)))
