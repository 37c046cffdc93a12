"""The range of a tensor whose values are known to lie in another: of what a Softmax or a Sigmoid computes.

    E(range) = what `mse` minimizes, the expected squared error of quantization with that range

The known range, 0..1, clips nothing on any image, so it stays unless a range that was seen is worth a whole bit:
E(seen) <= E(known) / 4. A Softmax over many places, or a gate that hardly opens, has no value near 1: of 0..1 in
256 steps it would use the lowest ones, or none.
"""

from __future__ import annotations

from pyq8.calibration.observers.mse import expected_error
from pyq8.calibration.observers.observer import Observer
from pyq8.stats import TensorStats
from pyq8.types import QType

BIT = 4.0
"""What one more bit divides a squared rounding error by."""


def choose_known(
    stats: TensorStats, qtype: QType, known: tuple[float, float], observer: Observer
) -> tuple[float, float]:
    """The known range, or the better of what the observer chooses and of all that was seen.

    Args:
        stats: of the tensor, with a histogram.
        qtype: the integer type.
        known: (low, high) beyond which no value can be.
        observer: the one that is asked for.
    """
    loss = expected_error(stats, qtype)
    seen = min([(stats.min, stats.max), observer.choose(stats, qtype)], key=lambda ends: loss(*ends))
    return seen if BIT * loss(*seen) <= loss(*known) else known
