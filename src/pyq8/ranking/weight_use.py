"""How well the scales of a weight fit its channels: which channel suffers most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyq8.types import Array, QParams

DEAD = 1e-4
"""Share of the tensor's largest weight below which a channel counts as dead: rounding it changes nothing."""


@dataclass(frozen=True)
class ChannelUse:
    """The output channel whose weights are rounded worst.

    Args:
        channel: its index.
        error: root of (sum of squared rounding errors / sum of squares) of its weights, 0..
        levels: its largest weight in steps.
        qmax: steps that there are.
        spread: its largest weight over their root mean square.
        share: its largest weight over the largest of the tensor, 0..1.
    """

    channel: int
    error: float
    levels: float
    qmax: int
    spread: float
    share: float

    def __str__(self) -> str:
        why = f"its largest weight is {self.spread:.1f} times the typical one"
        if self.levels < self.qmax / 2:
            used = f"use {self.levels:.1f} of {self.qmax} steps"
            why = f"its weights span {self.share:.2g} of the tensor's largest and {used}"
        return f"channel {self.channel} is off by {self.error:.2%}: {why}"


def worst_channel(weight: Array, rounded: Array, qparams: QParams, axis: int) -> ChannelUse | None:
    """The largest relative error of a channel that is not dead; None for a weight of zeros.

    Args:
        weight: float, output channels along `axis`.
        rounded: what its integers stand for, the same shape.
        qparams: its scales, per tensor or per channel.
        axis: of the output channels.
    """
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    errors = np.moveaxis(rounded, axis, 0).reshape(rows.shape) - rows
    norms, peaks = np.linalg.norm(rows, axis=1), np.abs(rows).max(axis=1)
    if not peaks.any():
        return None
    alive = peaks >= DEAD * peaks.max()
    relative = np.divide(np.linalg.norm(errors, axis=1), norms, out=np.zeros_like(norms), where=alive)
    worst = int(np.argmax(relative))
    peak = float(peaks[worst])
    scale = float(np.broadcast_to(qparams.scale, peaks.shape)[worst])
    spread = peak / (float(norms[worst]) / np.sqrt(rows.shape[1]))
    share = peak / float(peaks.max())
    return ChannelUse(worst, float(relative[worst]), peak / scale, qparams.qtype.qmax, spread, share)
